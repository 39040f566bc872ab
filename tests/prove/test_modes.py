"""Every shipped mode by the real command, two at a time, on one Prefect server and one store: it trains, the
loss at fixed noise is lower after than before, a sample is made from files by the mode's own conditions, and
the LoRA names its mode and fits the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from cli import Clone, finish

FILM = "data/footage/wide.mp4"
KEPT = "left half kept.png"
SPANS = "the end made anew.json"
AT_ONCE = 2
MOST_STEPS = 24
SHORT = (
    f"optimization.steps={MOST_STEPS}",
    "optimization.warmup_steps=2",
    "validation.interval=null",
    "validation.skip_initial_validation=true",
    "validation.heldout_levels=4",
    "validation.inference_steps=2",
    "validation.influence_clips=1",
)


class Mode(NamedTuple):
    """What a mode is asked for and what must come of it.

    Attributes:
        conditions: of its sample, as YAML.
        size: width and height of the picture that is shown; None where there is none.
        sound: whether there is sound.
    """

    conditions: tuple[str, ...]
    size: tuple[int, int] | None = (64, 64)
    sound: bool = True


MODES = {
    "t2v_lora": Mode(()),
    "t2v_lora_low_vram": Mode(()),
    "i2v_lora": Mode((f"{{type: first_frame, image_or_video: {FILM}}}",)),
    "video_extend_lora": Mode((f"{{type: prefix, video: {FILM}, num_frames: 5}}",)),
    "video_suffix_lora": Mode((f"{{type: suffix, video: {FILM}, duration: 0.5}}",)),
    "v2v_ic_lora": Mode((f"{{type: reference, video: {FILM}, include_in_output: true}}",), (128, 64), False),
    "a2v_lora": Mode((f"{{type: audio_to_video, audio: {FILM}}}",)),
    "v2a_lora": Mode((f"{{type: video_to_audio, video: {FILM}}}",)),
    "video_inpainting_lora": Mode((f"{{type: mask, video: {FILM}, mask: {KEPT}}}",)),
    "video_outpainting_lora": Mode(
        (f"{{type: spatial_crop, video: {FILM}, spatial_region: [16, 16, 48, 48]}}",)
    ),
    "t2a_lora": Mode((), None),
    "audio_extend_lora": Mode((f"{{type: prefix, audio: {FILM}, duration: 0.4}}",), None),
    "audio_suffix_lora": Mode((f"{{type: suffix, audio: {FILM}, num_frames: 4}}",), None),
    "audio_inpainting_lora": Mode((f"{{type: mask, audio: {FILM}, mask: {SPANS}}}",), None),
    "a2a_ic_lora": Mode((f"{{type: reference, audio: {FILM}}}",), None),
    "av2av_ic_lora": Mode((f"{{type: reference, video: {FILM}}}", f"{{type: reference, audio: {FILM}}}")),
}


def asked(name: str) -> str:
    """The override that states one sample with the mode's conditions."""
    return f"validation.samples=[{{prompt: a red ball, conditions: [{', '.join(MODES[name].conditions)}]}}]"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, prefect: dict[str, str]) -> Clone:
    """A clone with files for conditions, and a server that all its runs use."""
    from PIL import Image

    clone = Clone.make(tmp_path_factory.mktemp("modes") / "clone", *SHORT)
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    mask.save(clone.folder / KEPT)
    (clone.folder / SPANS).write_text('{"generate": [[0.5, 1.2]]}')
    return replace(clone, env=prefect)


@pytest.fixture(scope="module")
def outputs(place: Clone, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[str]]]:
    """The commands of the modes that are tested; the first alone: the others share most of its stages."""
    chosen = [
        item.callspec.params["name"] for item in request.session.items if "outputs" in item.fixturenames
    ]

    def run(name: str) -> str:
        return finish(place.start("run", f"configs/{name}.yaml", asked(name)))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        first, *others = chosen
        found = {first: pool.submit(run, first)}
        found[first].exception()
        yield found | {name: pool.submit(run, name) for name in others}


@pytest.mark.prove
@pytest.mark.parametrize("name", MODES)
def test_a_mode_trains_samples_and_is_named_by_its_product(
    name: str, place: Clone, outputs: dict[str, Future[str]]
):
    output = outputs[name].result()
    assert not (place.workspace / "prefect").exists()  # the shared server is the only one
    assert f"published/{name}/lora.safetensors" in output
    config = place.pipeline(asked(name), config=name).config
    generated = [m for m, stream in config.training_strategy.streams.items() if stream.is_generated]
    (run,) = (place.workspace / "runs").glob(f"{name}-*")
    found = json.loads((run / "evaluation.json").read_text())
    measured = [m for m in ("video", "audio") if f"heldout_{m}_base" in found]
    assert measured == generated
    for modality in generated:
        before, after = (found[f"heldout_{modality}_{model}"] for model in ("base", "lora"))
        assert after < before, modality
    check_sample(run / "samples" / "after", MODES[name])
    check_product(place, place.workspace / "published" / name / "lora.safetensors", name)


def check_sample(folder: Path, mode: Mode) -> None:
    """One file with the picture and the sound that the mode makes, or is given, of the sample's length."""
    from ltx_core.media.probe import probe

    (path,) = (found for found in folder.iterdir() if found.stem == "01")
    info = probe(path)
    assert path.suffix == (".wav" if mode.size is None else ".mp4")
    assert (info.width, info.height) == (mode.size or (0, 0))
    assert info.has_audio == mode.sound
    assert info.duration == pytest.approx(9 / 8, abs=0.1)


def check_product(place: Clone, path: Path, name: str) -> None:
    """The LoRA names its mode, changes only what runs in it, and fits the model."""
    import torch

    from ltx_core.models.lora.adapters import load_lora
    from ltx_core.models.ltx2 import load_transformer
    from ltx_core.models.names import runs_with
    from ltx_core.models.safetensors_file import file_metadata

    config = place.pipeline(asked(name), config=name).config
    mode = name.removesuffix("_low_vram").removesuffix("_lora")
    assert file_metadata(path)["mode"] == mode == config.training_strategy.mode
    streams = list(config.training_strategy.streams)
    model = load_transformer(config.model.read(), torch.device("cpu"), torch.float32, streams)
    file = load_lora(model, path)
    assert all(runs_with(layer, streams) for layer in file.weights)
    assert any(b.abs().max() > 0 for _, b in file.weights.values())


def test_every_shipped_mode_is_in_the_table():
    shipped = {path.stem for path in (Path(__file__).parents[2] / "configs").glob("*_lora*.yaml")}
    assert shipped == set(MODES) and len(MODES) == 16
