"""`ltx init`: a commented config for a user's own folder and model."""

from __future__ import annotations

from pathlib import Path

from ltx_core.errors import ConfigError, LtxError
from ltx_core.models.info import ModelInfo

TEMPLATE = """\
# Written by `ltx init`. Check it with `ltx check {name}`, see what would run with `ltx plan {name}`,
# run it with `ltx run {name}`. Any value can be set for one run: `ltx run {name} optimization.steps=500`.
workspace: {workspace}              # store, runs and published LoRAs
seed: 42

model:
  model_path: {model}

dataset:
  source: {source}                  # a folder, a pattern, a dataset file, s3://bucket/prefix, or several
  buckets: [{bucket}]               # width x height x frames; frames = {time}k+1, sizes multiples of {space}
  fps: {fps}                        # every clip is resampled to this frame rate, sound kept in step
  hdr: reject                       # `tonemap` brings PQ and HLG films to SDR (docs/oddities.md)
  trigger: ""                       # a phrase that every caption says, such as `in the style of mylora`
  captions:
    captioner: describe             # for clips without a .txt beside them; it measures and does not see:
                                    # `endpoint`, `gemini` and `transformers` do (docs/captions.md)
  holdout: {{fraction: 0.1}}          # share of the sources that is never trained on and measures the LoRA

training_strategy:                  # the mode; see docs/modes.md
  name: flexible
  video: {{is_generated: true}}
{audio}
lora: {{rank: 32, alpha: 32, target_modules: [to_k, to_q, to_v, to_out.0]}}

optimization:
  learning_rate: 1.0e-4
  steps: 2000
  batch_size: 1
  warmup_steps: 50
  scheduler_type: cosine
  enable_gradient_checkpointing: true

checkpoints: {{interval: 250, keep_last_n: 2}}

validation:
  interval: 250                     # steps between samples
  video_dims: [{dims}]
  frame_rate: {fps}
"""


def init_config(folder: Path, model: Path, target: Path) -> Path:
    """Write a commented config for the videos in `folder` and the model in `model` to `target`.

    Raises:
        ConfigError: when `folder` does not exist or `target` does.
        ModelError: when `model` is no model.
    """
    if not folder.exists():
        raise ConfigError(f"{folder} does not exist; give the folder that holds your videos")
    if target.exists():
        raise ConfigError(f"{target} exists already; remove it or name another file with --output")
    info = ModelInfo.read(model)
    small = info.video_scale.width < 32
    width, height, frames, fps = (64, 64, 9, 8) if small else (768, 448, 89, 24)
    text = TEMPLATE.format(
        name=target.name,
        workspace=target.absolute().parent / "workspace",
        model=model.absolute(),
        source=folder.absolute(),
        bucket=f"{width}x{height}x{frames}",
        time=info.video_scale.time,
        space=info.video_scale.width,
        fps=fps,
        audio="  audio: {is_generated: true}\n" if info.audio_scale is not None else "",
        dims=f"{width}, {height}, {frames}",
    )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LtxError(f"cannot write {target}: {error.strerror}; name another file with --output") from error
    return target
