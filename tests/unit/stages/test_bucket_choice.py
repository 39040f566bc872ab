"""`dataset.buckets: auto` in a pipeline: chosen once, kept, chosen anew where needed; shares of sources."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.make.mixed import make_mixed
from ltx_core.config.load import dump, load
from ltx_core.config.preflight import preflight
from ltx_core.errors import ConfigError, LtxError
from ltx_core.media.write import write_video
from ltx_core.run import Pipeline
from ltx_core.stages.base import pending
from ltx_core.stages.buckets import buckets_of
from ltx_core.stages.clips import all_clips, rejected_cuts
from ltx_core.stages.dataset import load_samples
from ltx_core.stages.estimate_tokens import planned_buckets
from ltx_core.stages.mixture import mixture_tables
from ltx_core.stages.rebucket import propose, rebucket
from ltx_core.store.collect import collect

ROOT = Path(__file__).parents[3]
AUTO = "dataset.auto_buckets={area: 4608, min_frames: 5, max_frames: 9, keep_frames: 0.99, keep_pixels: 0.85}"
OWN = (
    "engine.threads=1",
    "acceleration.threads=1",
    "training_strategy={video: {}}",
    "dataset.buckets=auto",
    AUTO,
)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    make_mixed(folder, films=1, stills=1)
    return folder


@pytest.fixture
def footage(mixed, tmp_path):
    """The wide and the tall film, and a wide still."""
    folder = tmp_path / "footage"
    folder.mkdir()
    for name in ("wide1.mp4", "tall1.mp4", "wide_still1.png"):
        shutil.copy(mixed / name, folder)
    return folder


def pipeline(tmp_path, source, *overrides):
    settings = [f"workspace={tmp_path / 'workspace'}", f"dataset.source={source}", *OWN, *overrides]
    return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))


def run(pipe, until="clips"):
    """Compute a stage and what it needs; the number of new rows of each stage that has any."""
    computed = {}
    for stage in pipe.stages(until):
        computed[stage] = sum(pipe.compute(stage, chunk)["rows"] for chunk in pipe.plan(stage).chunks)
    pipe.context.refresh()
    return {stage: rows for stage, rows in computed.items() if rows}


def names(pipe):
    return [str(bucket) for bucket in buckets_of(pipe.context)]


def test_a_choice_stays_when_footage_comes_and_is_made_anew_when_asked(mixed, footage, tmp_path):
    first = pipeline(tmp_path, footage)
    assert run(first) == {"sources": 3, "scenes": 3, "buckets": 1, "clips": 3}
    chosen = names(first)
    assert chosen == ["48x96x5", "96x48x1", "96x48x5"]
    sizes = {(str(clip.bucket), clip.width > clip.height) for clip in all_clips(first.context)}
    assert sizes == {("48x96x5", False), ("96x48x5", True), ("96x48x1", True)}
    before = {clip.pixels for clip in all_clips(first.context)}

    shutil.copy(mixed / "square1.mp4", footage)
    more = pipeline(tmp_path, footage)
    assert run(more) == {"sources": 1, "scenes": 1, "clips": 1}, "nothing of before is cut or encoded anew"
    assert names(more) == chosen
    assert before < {clip.pixels for clip in all_clips(more.context)}

    found = propose(more.context)
    assert (found.old, len(found.new)) == (buckets_of(more.context), 4)
    held = {clip.pixels for clip in all_clips(more.context)}
    assert names(more) == chosen, "a proposal changes nothing"
    rebucket(more.context)
    assert names(more) == ["48x96x5", "64x64x5", "96x48x1", "96x48x5"]
    run(more)
    after = {clip.pixels for clip in all_clips(more.context)}
    assert (found.clips, found.anew, found.gone) == (len(after), len(after - held), len(held - after))
    assert 0 < found.anew < len(after) and after & before, "clips of kept shapes stay as they were"
    again = pipeline(tmp_path, footage)
    assert run(again) == {} and names(again) == names(more)
    nothing = propose(again.context)
    assert nothing.old == nothing.new and nothing.anew == nothing.gone == 0


def test_other_options_and_a_mode_that_a_bucket_does_not_fit_choose_anew(footage, tmp_path):
    assert run(pipeline(tmp_path, footage))["buckets"] == 1
    larger = pipeline(tmp_path, footage, AUTO.replace("4608", "9216"))
    assert run(larger)["buckets"] == 1
    assert all(bucket.width * bucket.height > 8000 for bucket in buckets_of(larger.context))
    held = "training_strategy={video: {conditions: [{type: prefix, temporal_boundary: 2}]}}"
    longer = AUTO.replace("keep_frames: 0.99", "keep_frames: 0.5").replace("max_frames: 9", "max_frames: 13")
    plain, prefix = pipeline(tmp_path, footage, longer), pipeline(tmp_path, footage, held, longer)
    run(plain)
    chosen = names(plain)
    assert any(bucket.frames == 5 for bucket in buckets_of(plain.context))
    assert run(prefix)["buckets"] == 1
    assert {bucket.frames for bucket in buckets_of(prefix.context)} <= {9, 13}, "5 frames would all be held"
    own = names(prefix)
    for again, expected in ((plain, chosen), (prefix, own), (plain, chosen)):
        assert run(again) == {} and names(again) == expected, "modes do not take each other's choice away"


def test_sound_counts_in_the_key_only_where_tokens_are_limited(footage, tmp_path):
    both = "training_strategy={video: {}, audio: {}}"

    def key(*overrides):
        context = pipeline(tmp_path, footage, *overrides).context
        return context.registry["buckets"].items(context)[0].key

    assert key() == key(both), "nothing is restricted"
    ample, scarce = (AUTO.replace("}", f", max_tokens: {most}}}") for most in (100_000, 40))
    assert key(ample) == key(ample, both)
    assert key(scarce) != key(scarce, both)


def test_nothing_to_choose_from_is_said_and_not_kept(mixed, footage, tmp_path):
    source = tmp_path / "few"
    source.mkdir()
    (source / "broken.mp4").write_bytes(b"no film")
    with pytest.raises(LtxError, match="buckets: auto: no scene to choose from"):
        run(pipeline(tmp_path, source))
    empty = pipeline(tmp_path, source)
    stage, (item,) = empty.registry["buckets"], empty.context.items("buckets")
    row = pending(item, columns={"buckets": [], "table": []}, content={"buckets": []})
    empty.context.store.write(stage.meta(empty.context), [row])  # as older versions stored it
    shutil.copy(footage / "wide1.mp4", source)
    later = pipeline(tmp_path, source)
    assert run(later)["buckets"] == 1 and names(later)


def test_a_plan_and_the_preflight_need_no_choice(footage, tmp_path):
    pipe = pipeline(tmp_path, footage)
    checks = {check.name: check for check in preflight(pipe.config)}
    assert checks["buckets"].ok
    assert checks["buckets"].detail == "chosen from the footage, at most as 96x48x9 (54 tokens)"
    assert [str(bucket) for bucket in planned_buckets(pipe.context)] == ["96x48x9"]
    assert pipe.fit().fits
    run(pipe, "scenes")
    assert mixture_tables(pipe.context) == []
    with pytest.raises(LtxError, match="states its buckets"):
        propose(pipeline(tmp_path, footage, "dataset.buckets=[64x64x9]").context)
    assert "buckets: auto" in dump(pipe.config) and load_back(pipe, tmp_path).dataset.auto
    sound = pipeline(tmp_path, footage, "training_strategy={audio: {}}")
    wrong = [check.detail for check in preflight(sound.config) if not check.ok]
    assert any("dataset.duration_buckets: [4.0]" in text for text in wrong)
    with pytest.raises(ConfigError, match="or write `auto`"):
        pipeline(tmp_path, footage, "dataset.buckets=[]")


def load_back(pipe, tmp_path):
    path = tmp_path / "written.yaml"
    path.write_text(dump(pipe.config))
    return load(path, [], ROOT)


def test_what_is_smaller_than_its_bucket_is_set_aside_or_flagged(tmp_path):
    folder = tmp_path / "films"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, width, height in (("large", 96, 48), ("small", 40, 32)):
        noise = rng.integers(0, 255, (1, height // 4, width // 4, 3), np.uint8)
        write_video(folder / f"{name}.mp4", np.repeat(noise.repeat(4, 1).repeat(4, 2), 9, 0), 8.0)
    stated = pipeline(tmp_path, folder, "dataset.buckets=[96x48x9]")
    assert "buckets" not in stated.stages("clips")
    run(stated)
    assert len(all_clips(stated.context)) == 2, "as ever"
    (table,) = mixture_tables(stated.context)
    assert table["rows"][0][:5] == ["96x48x9", "2", "18.8%", "100.0%", "1 (up to x2.4)"]
    strict = pipeline(tmp_path, folder, "dataset.buckets=[96x48x9]", "dataset.max_upscale=1.5")
    assert run(strict) == {}
    assert rejected_cuts(strict.context) == [
        ("small.mp4 #1", "smaller than its bucket: 40x32 for 96x48 (x2.4)")
    ]
    auto = pipeline(tmp_path, folder)
    run(auto)
    assert names(auto) == ["32x32x9", "96x48x9"], "a shape of its own"
    assert collect(auto.context.store) == [], "the choice is no garbage"
    Image.fromarray(np.zeros((48, 96, 3), np.uint8)).save(folder / "still.png")
    later = pipeline(tmp_path, folder)
    run(later)
    (reason,) = (text for name, text in rejected_cuts(later.context) if name.startswith("still"))
    assert reason == "image: no bucket of one frame; `ltx plan --rebucket` chooses anew"


def test_weights_repeats_and_regularisation_of_sources(mixed, footage, tmp_path):
    prior = tmp_path / "prior"
    prior.mkdir()
    for path in mixed.glob("square1.*"):
        shutil.copy(path, prior)
    shutil.copy(mixed / "tall1.txt", footage)
    sources = (
        f"[{{path: {footage}, repeats: 2}}, {{path: {prior}, weight: 0.5, regularisation: true}}]",
        "dataset.trigger=zzz",
    )
    pipe = pipeline(tmp_path, *sources)
    run(pipe, "dataset")
    _, samples = load_samples(pipe.context)
    kinds = {(s.name.split("/")[0], s.repeats, s.weight, s.regularisation) for s in samples}
    assert kinds == {("footage", 2, 1.0, False), ("prior", 1, 0.5, True)}
    assert {sample.split for sample in samples if sample.regularisation} == {"train"}
    assert "heldout" in {sample.split for sample in samples}
    assert all(("zzz" in sample.caption) is not sample.regularisation for sample in samples)
    buckets, table = mixture_tables(pipe.context)
    assert [row[0] for row in table["rows"]] == ["footage", "prior"]
    assert [row[3:5] + row[6:] for row in table["rows"]] == [["2", "1", ""], ["1", "0.5", "regularisation"]]
    train = [int(row[2]) for row in table["rows"]]
    share = 2 * train[0] / (2 * train[0] + 0.5 * train[1])
    assert table["rows"][0][5] == f"{share:.1%}"
    assert buckets["rows"][-1][5] == str(sum(train))
    digest = pipe.plan("dataset").total and pipe.context.results("dataset")[0][1].content_digest
    plain = pipeline(tmp_path, sources[0].replace("repeats: 2", "repeats: 3"), sources[1])
    assert run(plain, "dataset") == {"dataset": 1}
    assert plain.context.results("dataset")[0][1].content_digest != digest
