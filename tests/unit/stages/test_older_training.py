"""What the older trainer's config does to a training: what is read, what learns, at which levels.

Its sections are stated in its own words; what its `validation` does is in `test_older_samples.py`, what its
`acceleration` does in `test_older_numbers.py`.
"""

from __future__ import annotations

import threading

import pytest
import torch
from older_films import FRAME, LAYER, NAMES, TOKENS, prepared, read, same

from ltx_core.assemble import assemble, video_tokens
from ltx_core.diffusion.levels import shift
from ltx_core.models.lora.adapters import lora_state
from ltx_core.stages import network
from ltx_core.stages.batches import scales
from ltx_core.stages.imported import sample_id
from ltx_core.training.data import Reader
from ltx_core.training.draws import Draws


def test_the_prepared_folder_is_what_is_trained(older, older_run, older_plain, older_folder):
    _, batch = read(older())
    for name, latents in zip(NAMES, batch.video, strict=True):
        stored = torch.load(
            older_folder / "films" / ".precomputed" / "latents" / f"{name}.pt", weights_only=True
        )
        assert torch.equal(latents, stored["latents"].float()), name
    clips = {clip for row in older_plain.rows for clip in row["clips"]}
    assert len(clips) >= 2 and clips < {sample_id(name) for name in NAMES}, "one film is held out"
    faint = older_run(data={"preprocessed_data_root": "faint"})
    assert [row["clips"] for row in faint.rows] == [row["clips"] for row in older_plain.rows]
    assert faint.rows[0]["loss"] != pytest.approx(older_plain.rows[0]["loss"], rel=0.05), "the same draws"
    assert not same(faint, older_plain)


@pytest.mark.parametrize("column", ["edges", "depths"])
def test_a_reference_is_attached_from_its_folder_and_the_first_frame_held_as_often(
    older, older_folder, column
):
    def tracks(probability, mode="reference_video"):
        stated = {"mode": mode, "first_frame_conditioning_p": probability, "reference_latents_dir": column}
        context = older(conditioning=stated)
        strategy, (_, batch) = context.config.training_strategy, read(context)
        for step in range(25):
            coins = Draws(0, step).coins
            yield assemble(strategy, batch, scales(context), coins)["video"]

    for probability, least, most in ((0, 0, 0), (0.3, 0.2, 0.4), (1, 1, 1)):
        held = []
        for track in tracks(probability):
            first = track.hold[:, TOKENS : TOKENS + FRAME].all(1)
            assert torch.equal(track.hold[:, TOKENS:].sum(1), FRAME * first.float())
            held += first.tolist()
        assert least <= sum(held) / len(held) <= most
    stored = torch.load(
        older_folder / "films" / ".precomputed" / column / f"{NAMES[0]}.pt", weights_only=True
    )
    assert track.targets == TOKENS
    assert torch.equal(track.clean[0, :TOKENS], video_tokens(stored["latents"].float()[None])[0])
    assert next(tracks(0, "none")).clean.shape[1] == TOKENS


def test_adapters_have_the_stated_rank_strength_and_places(older):
    def change(**lora):
        """What the adapter of a layer adds, as a matrix; its second half drawn."""
        model = network.open_training(older(lora=lora)).model
        layer = model.get_submodule(LAYER)
        with torch.no_grad():
            up = layer.lora_B["default"].weight
            up.copy_(torch.randn(up.shape, generator=torch.Generator().manual_seed(0)))
            unit = torch.eye(layer.in_features)
            return model, layer, layer(unit) - layer.base_layer(unit)

    model, _, added = change()
    assert torch.linalg.matrix_rank(added) == 4
    assert {name.split(".")[3] for name in lora_state(model)} == {"to_k", "to_q"}
    torch.testing.assert_close(change(alpha=8)[2], 2 * added, rtol=1e-3, atol=1e-5)
    assert torch.linalg.matrix_rank(change(rank=2, alpha=2)[2]) == 2
    model, layer, _ = change(target_modules=["attn1.to_*"], dropout=0.5)
    places = {name.rsplit(".lora_", 1)[0].partition(".attn1.")[2] for name in lora_state(model)}
    assert {"to_k", "to_q", "to_v", "to_out.0"} <= places and "" not in places
    unit = torch.eye(layer.in_features)
    assert not torch.equal(layer.train()(unit), layer(unit))
    assert torch.equal(layer.eval()(unit), layer(unit)), "nothing is dropped where nothing learns"


def test_dropout_acts_in_a_training(older_run, older_plain):
    dropped = older_run(lora={"dropout": 0.5})
    assert dropped.rows[0]["loss"] == older_plain.rows[0]["loss"], "an adapter begins as nothing"
    assert not same(dropped, older_plain)


def test_with_workers_steps_are_read_beside_the_training_and_are_the_same(
    older_run, older_plain, monkeypatch
):
    real, here = Reader.__call__, set()

    def call(reader, clips):
        here.add(threading.current_thread() is threading.main_thread())
        return real(reader, clips)

    monkeypatch.setattr(Reader, "__call__", call)
    for workers in (0, 2):
        here.clear()
        assert same(older_run(data={"num_dataloader_workers": workers}), older_plain)
        assert here == {workers == 0}


def squeezed(levels, std):
    """Levels before they were stretched to reach 0 and 1, from the quantiles of 0.5 % and 99.9 %."""
    low, high = (torch.sigmoid(torch.tensor(shift(TOKENS) + end * std)) for end in (-2.5758, 3.0902))
    return levels * (high - low) + low


def test_levels_are_drawn_as_stated(older):
    def levels(mode, **params):
        stated = {"timestep_sampling_mode": mode, "timestep_sampling_params": params}
        context = older(flow_matching=stated)
        _, batch = read(context)
        found = [prepared(context, batch, step).levels["video"] for step in range(60)]
        return torch.cat(found)

    even = levels("uniform")
    assert even.min() < 0.02 and even.max() > 0.98 and abs(float(even.mean()) - 0.5) < 0.05
    within = levels("uniform", min_value=0.4, max_value=0.6)
    torch.testing.assert_close(within, 0.4 + 0.2 * even)
    wide, narrow = (levels("shifted_logit_normal", uniform_prob=0, std=std) for std in (1.0, 0.3))
    inside = (wide > 0.05) & (wide < 0.95)  # what falls below 0 is mirrored
    mean, normal = shift(TOKENS), torch.logit(squeezed(wide[inside], 1.0)) - shift(TOKENS)
    assert abs(float(normal.mean())) < 0.2 and abs(float(normal.std()) - 1) < 0.25
    torch.testing.assert_close(squeezed(narrow[inside], 0.3), torch.sigmoid(0.3 * normal + mean))
    flat = levels("shifted_logit_normal", uniform_prob=1, eps=0.3)
    assert flat.min() >= 0.3 and abs(float(flat.mean()) - 0.65) < 0.05
