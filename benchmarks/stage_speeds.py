"""Each stage, committed rows and all, against the same library called bare on the same clips."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import Result, in_turns, line
from ltx_core.config import load
from ltx_core.encoding.video import pixels_of
from ltx_core.media.container import frame_index
from ltx_core.media.fit import fit_box
from ltx_core.media.mel import log_mel
from ltx_core.media.window import FrameWindow
from ltx_core.models.text import project
from ltx_core.run import Pipeline
from ltx_core.stages.clip import Clip
from ltx_core.stages.clips import all_clips

ROOT = Path(__file__).parents[1]
THREADS = ("engine.threads=1", "acceleration.threads=1")
UNITS = {"text": "texts", "scenes": "films"}
STRATEGY = "training_strategy={video: {conditions: [{type: reference}]}, audio: {}}"


def open_demo(workspace: Path, *overrides: str) -> Pipeline:
    """The demo's footage and model with every column that has a stage, on one thread."""
    settings = [f"workspace={workspace}", STRATEGY, *THREADS, *overrides]
    return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", settings, ROOT))


class Stages:
    """The stages of the demo, computed again as often as is asked for."""

    def __init__(self, workspace: Path) -> None:
        self.pipeline = open_demo(workspace)
        for stage in self.pipeline.stages("dataset"):
            self.compute(stage)
        self.clips = all_clips(self.pipeline.context)
        self.films = {clip.path: [c for c in self.clips if c.path == clip.path] for clip in self.clips}

    def compute(self, stage: str) -> None:
        """What of a stage is missing, chunk by chunk."""
        for chunk in self.pipeline.plan(stage).chunks:
            self.pipeline.compute(stage, chunk)

    def forget(self, stage: str) -> Callable[[], None]:
        """Remove a stage's rows and the frames that are kept in memory."""

        def drop() -> None:
            shutil.rmtree(self.pipeline.context.store.folder(stage), ignore_errors=True)
            self.pipeline.context.models._frames.clear()

        return drop

    def frames(self) -> Iterator[tuple[Clip, np.ndarray]]:
        """Every clip's fitted frames by decord and OpenCV, each film opened once."""
        import cv2
        import decord

        for path, clips in self.films.items():
            reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
            for clip in clips:
                window = FrameWindow(clip.start_s, clip.fps, clip.bucket.frames, clip.start, clip.end)
                images = reader.get_batch(window.frames(list(frame_index(path).times))).asnumpy()
                box = fit_box(clip.width, clip.height, clip.bucket.width, clip.bucket.height)
                size = (box.scaled_width, box.scaled_height)
                small = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
                yield clip, small[:, box.top : box.top + box.height, box.left : box.left + box.width]


def stage_speeds(workspace: Path, rounds: int) -> list[Result]:
    """The stages that have a library to be compared with."""
    stages = Stages(workspace)
    cases = (
        ("scenes", "PySceneDetect", _scenes, len(stages.films)),
        ("text", "text encoder", _texts, stages.pipeline.plan("text").total),
        ("references", "decord + cv2.Canny + PyAV (x264)", _canny, len(stages.clips)),
        ("latents", "decord + VAE", _latents, len(stages.clips)),
        ("audio_latents", "PyAV + audio VAE", _sounds, len(stages.clips)),
    )
    found = []
    for stage, bare, work, count in cases:
        pair = in_turns(
            lambda stage=stage: stages.compute(stage),
            lambda work=work: work(stages),
            rounds,
            stages.forget(stage),
        )
        stages.compute(stage)
        found.append(line(stage, bare, pair, count, UNITS.get(stage, "clips")))
    return found


def _scenes(stages: Stages) -> None:
    import scenedetect

    for path in stages.films:
        detector = scenedetect.AdaptiveDetector(adaptive_threshold=3.5, min_scene_len=14)
        scenedetect.detect(str(path), detector)


@torch.no_grad()
def _texts(stages: Stages) -> None:
    codec = stages.pipeline.context.models.text()
    for item in stages.pipeline.context.items("text"):
        ids = codec.tokens(item.payload)[0]
        states = codec.encoder(input_ids=torch.tensor([ids]), output_hidden_states=True, use_cache=False)
        project(codec.projections, torch.stack(states.hidden_states, -1))


def _canny(stages: Stages) -> None:
    import av
    import cv2

    options = stages.pipeline.config.dataset.references
    for clip, frames in stages.frames():
        sink = io.BytesIO()
        with av.open(sink, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=round(clip.fps))
            stream.height, stream.width = frames.shape[1:3]
            stream.pix_fmt, stream.options = "yuv420p", {"crf": "4", "threads": "1"}
            for frame in frames:
                planes = [cv2.Canny(plane, options.low, options.high) for plane in cv2.split(frame)]
                edges = np.repeat(np.maximum.reduce(planes)[..., None], 3, -1)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(edges, format="rgb24")))
            container.mux(stream.encode(None))


@torch.no_grad()
def _latents(stages: Stages) -> None:
    vae = stages.pipeline.context.models.video().vae
    for _, frames in stages.frames():
        vae.encode(pixels_of(frames)[None]).latent_dist.mode()


@torch.no_grad()
def _sounds(stages: Stages) -> None:
    import av

    codec = stages.pipeline.context.models.audio()
    rate = codec.mel.sample_rate
    for path, clips in stages.films.items():
        with av.open(str(path)) as container:
            if not container.streams.audio:
                continue
            resampler = av.AudioResampler(format="fltp", layout="stereo", rate=rate)
            pieces = [out.to_ndarray() for f in container.decode(audio=0) for out in resampler.resample(f)]
        wave = np.concatenate(pieces, 1)
        for clip in clips:
            first, count = round(clip.start_s * rate), round(clip.seconds * rate)
            piece = torch.zeros(1, 2, count)
            given = wave[:, first : first + count]
            piece[0, :, : given.shape[1]] = torch.from_numpy(given)
            codec.vae.encode(log_mel(piece, codec.mel)).latent_dist.mode()
