"""What each condition of a sample becomes: one function per condition, listed in `MAKERS`.

Spans mean the same as in training: a prefix of n latent frames is time*(n-1)+1 pixel frames (the causal
rule), a suffix is time*n. A span's neighbours are encoded with it where the file has them, as they are in a
training clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ltx_core.conditions import Condition, FirstFrame, Mask, Prefix, Reference, SpatialCrop, Suffix
from ltx_core.config import samples as files
from ltx_core.config.roles import strategy_of
from ltx_core.config.samples import FACTORS, FileCondition, trained_factors
from ltx_core.media.decode import frame_count
from ltx_core.modes import Strategy
from ltx_core.stages.sample_media import Frames, SoundFile, read_fitted, read_last
from ltx_core.stages.sample_target import Part, Target


def _first_frame(target: Target, stated: files.FirstFrameFile, column: str) -> Part:
    width, height, _ = target.dims
    content = target.empty("video")
    content[:, :, :1] = target.encode(read_fitted(stated.image_or_video, (width, height, 1), target.fps))
    return Part(FirstFrame(), content)


def _prefix(target: Target, stated: files.PrefixFile, column: str) -> Part:
    content = target.empty(stated.modality)
    if stated.audio is not None:
        sound = SoundFile.open(stated.audio)
        steps = _steps(target, stated, sound)
        content[:, :, :steps] = target.encode_sound(sound, _context_seconds(target, sound, steps))[
            :, :, :steps
        ]
        return Part(Prefix(temporal_boundary=steps), content)
    assert stated.video is not None
    time = target.video.scale.time
    count = (_frames(target, stated, stated.video) - 1) // time + 1
    _leave_some(target, stated, count, target.video.frames)
    frames = read_fitted(stated.video, (*target.dims[:2], time * (count - 1) + 1), target.fps)
    content[:, :, :count] = target.encode(frames)
    return Part(Prefix(temporal_boundary=count), content)


def _suffix(target: Target, stated: files.SuffixFile, column: str) -> Part:
    content = target.empty(stated.modality)
    if stated.audio is not None:
        sound = SoundFile.open(stated.audio)
        steps = _steps(target, stated, sound)
        latents = target.encode_sound(sound, _context_seconds(target, sound, steps), last=True)
        content[:, :, -steps:] = latents[:, :, -steps:]
        return Part(Suffix(temporal_boundary=steps), content)
    assert stated.video is not None
    time = target.video.scale.time
    count = max(1, _frames(target, stated, stated.video) // time)
    _leave_some(target, stated, count, target.video.frames)
    # The first latent frame stands for one pixel frame: it is a frame before the span, and dropped.
    before = (frame_count(stated.video, target.fps) - 1) // time
    context = max(count, min(before, target.video.frames - 1))
    latents = target.encode(read_last(stated.video, (*target.dims[:2], time * context + 1), target.fps))
    content[:, :, -count:] = latents[:, :, -count:]
    return Part(Suffix(temporal_boundary=count), content)


def _spatial_crop(target: Target, stated: files.SpatialCropFile, column: str) -> Part:
    condition = SpatialCrop(spatial_region=stated.spatial_region)
    if not bool(condition.hold(target.video, None).any()):
        cell = f"{target.video.scale.width}x{target.video.scale.height}"
        raise target.refuse(
            stated,
            f"the region {list(stated.spatial_region)} covers no cell of {cell} pixels wholly in a picture "
            f"of {target.dims[0]}x{target.dims[1]}; give a larger one, with sides at multiples of a cell",
        )
    if stated.fit == "frame":
        return Part(condition, target.encode(read_fitted(stated.video, target.dims, target.fps)))
    return Part(condition, target.encode(_placed(target, stated)))


def _placed(target: Target, stated: files.SpatialCropFile) -> Frames:
    """The video inside its region; around it the pixels of its edge go on, so that nothing sharp is near."""
    width, height, count = target.dims
    y1, x1, y2, x2 = stated.spatial_region
    if y2 > height or x2 > width:
        raise target.refuse(
            stated,
            f"the region {list(stated.spatial_region)} leaves the picture of {width}x{height}, and the video "
            f"shall fit into it; nearest: {[y1, x1, min(y2, height), min(x2, width)]}",
        )
    inner = read_fitted(stated.video, (x2 - x1, y2 - y1, count), target.fps)
    return np.pad(inner, ((0, 0), (y1, height - y2), (x1, width - x2), (0, 0)), mode="edge")


def _mask(target: Target, stated: files.MaskFile, column: str) -> Part:
    threshold = target.context.config.dataset.mask_threshold
    condition = Mask(mask_dir=column)
    if stated.audio is not None:
        from ltx_core.curation.audio_masks import latent_audio_mask, read_audio_mask

        content, _ = target.whole_sound(stated.audio)
        read = read_audio_mask(stated.mask, target.seconds)
        mask = latent_audio_mask(read, target.seconds, target.audio_scale, threshold)
        return Part(condition, content, torch.as_tensor(mask, dtype=torch.float32)[None])
    assert stated.video is not None
    from ltx_core.curation.mask_files import read_mask
    from ltx_core.curation.masks import latent_mask

    mask = latent_mask(read_mask(stated.mask, *target.dims, target.fps), target.video.scale, threshold)
    frames = read_fitted(stated.video, target.dims, target.fps)
    return Part(condition, target.encode(frames), torch.as_tensor(mask, dtype=torch.float32)[None])


def _reference(target: Target, stated: files.ReferenceFile, column: str) -> Part:
    condition = Reference(latents_dir=column)
    if stated.audio is not None:
        sound = SoundFile.open(stated.audio)
        seconds = min(target.seconds, sound.seconds)
        wave = sound.read(seconds, target.context.info.wave_rate) if stated.include_in_output else None
        return Part(condition, column=target.encode_sound(sound, seconds), wave=wave)
    assert stated.video is not None
    for name, metadata in FACTORS.items():
        _check_factor(target, stated, name, metadata)
    space, time = stated.downscale_factor, stated.temporal_scale_factor
    dims = _reference_dims(target, stated, space, time)
    frames = read_fitted(stated.video, dims, target.fps / time)
    shown = frames if stated.include_in_output else None
    return Part(condition, column=target.encode(frames), fps=target.fps / time, frames=shown)


def _video_to_audio(target: Target, stated: files.VideoToAudioFile, column: str) -> Part:
    frames = read_fitted(stated.video, target.dims, target.fps)
    return Part(content=target.encode(frames), frames=frames)


def _audio_to_video(target: Target, stated: files.AudioToVideoFile, column: str) -> Part:
    content, wave = target.whole_sound(stated.audio)
    return Part(content=content, wave=wave)


Maker = Callable[[Target, Any, str], Part]
"""(the sample, its condition, a name for a column of its own) -> what it becomes."""
MAKERS: Mapping[type[FileCondition], Maker] = {
    files.FirstFrameFile: _first_frame,
    files.PrefixFile: _prefix,
    files.SuffixFile: _suffix,
    files.SpatialCropFile: _spatial_crop,
    files.MaskFile: _mask,
    files.ReferenceFile: _reference,
    files.VideoToAudioFile: _video_to_audio,
    files.AudioToVideoFile: _audio_to_video,
}


def _frames(target: Target, stated: files.PrefixFile | files.SuffixFile, path: Path) -> int:
    """Pixel frames of a span: as stated, or all that the file has."""
    there = frame_count(path, target.fps)
    wanted = stated.num_frames
    if stated.duration is not None:
        wanted = max(1, round(stated.duration * target.fps))
    if wanted is not None and wanted > there:
        raise target.refuse(
            stated,
            f"{wanted} frames are wanted and the file has {there} at {target.fps:g} per second; "
            f"state at most num_frames: {there}",
        )
    return there if wanted is None else wanted


def _steps(target: Target, stated: files.PrefixFile | files.SuffixFile, sound: SoundFile) -> int:
    """Latent steps of a span of sound: as stated, or all that the file has."""
    there, wanted = sound.steps(target.audio_scale), stated.num_frames
    if stated.duration is not None:
        wanted = max(1, round(stated.duration * target.audio_scale.latents_per_second))
    if wanted is not None and wanted > there:
        raise target.refuse(
            stated,
            f"{wanted} latent steps are wanted and the file has {there} ({sound.seconds:.2f} s at "
            f"{target.audio_scale.latents_per_second:g} per second); state at most num_frames: {there}",
        )
    steps = there if wanted is None else wanted
    _leave_some(target, stated, steps, target.audio.steps)
    return steps


def _context_seconds(target: Target, sound: SoundFile, steps: int) -> float:
    """Seconds to encode for a span: a clip's worth where the file has it, so that its edge is no end."""
    least = steps / target.audio_scale.latents_per_second
    return max(least, min(target.seconds, sound.seconds))


def _leave_some(target: Target, stated: files.PrefixFile | files.SuffixFile, held: int, length: int) -> None:
    if held >= length:
        unit = "steps" if stated.modality == "audio" else "frames"
        raise target.refuse(
            stated,
            f"it holds {held} latent {unit} of a sample of {length}, so nothing is left to generate; state "
            f"a shorter num_frames or duration, or more frames for the sample (`video_dims`)",
        )


def _check_factor(target: Target, stated: files.ReferenceFile, name: str, metadata: str) -> None:
    """Refuse a reference that is scaled otherwise than the LoRA's were; one without any knows no scale."""
    trained = target.trained or {}
    strategy = strategy_of(trained)
    used = strategy is not None and any(c.type == "reference" for c in _conditions(strategy))
    known = trained_factors(trained, metadata) if used or metadata in trained else []
    found = getattr(stated, name)
    if known and found not in known:
        raise target.refuse(
            stated,
            f"{name} is {found}, but the LoRA was trained with {metadata} {', '.join(map(str, known))}; "
            f"set {name}: {known[0]}",
        )


def _conditions(strategy: Strategy) -> Sequence[Condition]:
    return () if strategy.video is None else strategy.video.conditions


def _reference_dims(
    target: Target, stated: files.ReferenceFile, space: int, time: int
) -> tuple[int, int, int]:
    """Size and frames of a reference.

    Raises:
        ConfigError: when the sample's cannot be divided so.
    """
    (width, height, frames), scale = target.dims, target.video.scale
    for size, cell in ((width, scale.width), (height, scale.height)):
        if size % (space * cell):
            good = [
                n
                for n in range(1, size // cell + 1)
                if not (width % (n * scale.width) or height % (n * scale.height))
            ]
            raise target.refuse(
                stated,
                f"downscale_factor {space} does not divide the sample's {width}x{height} into cells of "
                f"{scale.width}x{scale.height} pixels; use {', '.join(map(str, good))}",
            )
    if (frames - 1) % (time * scale.time):
        good = [n for n in range(1, target.video.frames) if not (frames - 1) % (n * scale.time)]
        raise target.refuse(
            stated,
            f"temporal_scale_factor {time} does not divide the sample's {frames} frames: frames - 1 must be "
            f"a multiple of {scale.time} times it; use {', '.join(map(str, good)) or 1}",
        )
    return width // space, height // space, (frames - 1) // time + 1
