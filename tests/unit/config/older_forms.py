"""Older forms one by one: what an older config states, today's form, what the warning names."""

from __future__ import annotations

VIDEO_ONLY = {"name": "flexible", "video": {"is_generated": True}}


def held(probability):
    return {"type": "first_frame", "probability": probability}


def video(*conditions):
    return {"training_strategy": {"name": "flexible", "video": {"conditions": list(conditions)}}}


def validation(**values):
    return {"validation": values}


def sample(prompt, *conditions, **more):
    return {"prompt": prompt, "conditions": list(conditions), **more}


REFERENCE = {"type": "reference", "latents_dir": "reference_latents"}
NAMED = {"model_source": "LTXV_13B_097_DEV"}

BY_PROMPT = validation(video_stg_scale=0.0, guidance_rescale=0.0)
"""How the older trainer guides its samples."""

FORMS = {
    # (what an older config states, today's form, keys that the warning names)
    "no conditioning": (
        {"model": {"model_source": "m"}, "conditioning": {"mode": "none"}},
        {"model": {"model_path": "m"}, **video(held(0.1)), **BY_PROMPT},
        ["conditioning.mode: none", "model.model_source -> model.model_path"],
    ),
    "the older trainer's default strategy": (
        {"model": {"model_source": "./m"}},
        {"model": {"model_path": "m"}, **video(held(0.1)), **BY_PROMPT},
        ["conditioning (none stated"],
    ),
    "the older trainer's default model": (
        {"conditioning": {"first_frame_conditioning_p": 0}},
        {"model": NAMED, "training_strategy": VIDEO_ONLY, **BY_PROMPT},
        ["model (none stated", "conditioning.first_frame_conditioning_p"],
    ),
    "a reference made by a stage": (
        {"model": NAMED, "conditioning": {"mode": "reference_video"}},
        {"model": NAMED, **video(REFERENCE, held(0.1)), **BY_PROMPT},
        ["conditioning.mode: reference_video"],
    ),
    "a prepared reference in the older default folder": (
        {
            "model": NAMED,
            "conditioning": {"mode": "reference_video", "first_frame_conditioning_p": 0.4},
            "data": {"preprocessed_data_root": "p"},
        },
        {
            "model": NAMED,
            "data": {"preprocessed_data_root": "p"},
            **video({"type": "reference", "latents_dir": "ref_latents"}, held(0.4)),
            **BY_PROMPT,
        },
        ["conditioning.first_frame_conditioning_p"],
    ),
    "text_to_video": (
        {"training_strategy": {"name": "text_to_video"}},
        video(held(0.1)),
        ["training_strategy.name: text_to_video"],
    ),
    "text_to_video with sound": (
        {"training_strategy": {"name": "text_to_video", "with_audio": True, "first_frame_conditioning_p": 0}},
        {"training_strategy": {**VIDEO_ONLY, "audio": {"latents_dir": "audio_latents"}}},
        ["training_strategy.with_audio: true -> training_strategy.audio"],
    ),
    "video_to_video": (
        {"training_strategy": {"name": "video_to_video", "first_frame_conditioning_p": 1}},
        video(REFERENCE, held(1.0)),
        ["training_strategy.name: video_to_video"],
    ),
    "a repository of the hub by its address": (
        {
            "model": {"model_source": "https://huggingface.co/Lightricks/LTX-Video"},
            "training_strategy": VIDEO_ONLY,
        },
        {"model": {"model_source": "Lightricks/LTX-Video"}, "training_strategy": VIDEO_ONLY},
        ["model.model_source"],
    ),
    "compiling": (
        {"acceleration": {"compilation_mode": "default", "threads": 2}, "training_strategy": VIDEO_ONLY},
        {"acceleration": {"compile_mode": "default", "threads": 2}, "training_strategy": VIDEO_ONLY},
        ["acceleration.compilation_mode: default -> acceleration.compile_mode: default"],
    ),
    "compiling switched on": (
        {
            "acceleration": {"compile_with_inductor": True, "compilation_mode": "max-autotune"},
            "training_strategy": VIDEO_ONLY,
        },
        {
            "acceleration": {"compile": True, "compile_mode": "max-autotune-no-cudagraphs"},
            "training_strategy": VIDEO_ONLY,
        },
        [
            "acceleration.compile_with_inductor -> acceleration.compile",
            "acceleration.compilation_mode: max-autotune -> acceleration.compile_mode: max-autotune-no",
        ],
    ),
    "guidance_scale": (
        validation(guidance_scale=2.5),
        validation(video_cfg_scale=2.5, audio_cfg_scale=2.5),
        ["validation.guidance_scale -> validation.video_cfg_scale and validation.audio_cfg_scale"],
    ),
    "stg_scale": (
        validation(stg_scale=0.3),
        validation(video_stg_scale=0.3, audio_stg_scale=0.3),
        ["validation.stg_scale"],
    ),
    "stg_mode of video": (
        validation(stg_mode="stg_v"),
        validation(video_stg_scale=1.0, audio_stg_scale=0.0),
        ["validation.stg_mode"],
    ),
    "prompts": (
        validation(prompts=["a", "b"], seed=9),
        validation(samples=[sample("a"), sample("b")], seed=9),
        ["validation.prompts"],
    ),
    "images": (
        validation(prompts=["a", "b"], images=["a.png", None]),
        validation(
            samples=[sample("a", {"type": "first_frame", "image_or_video": "a.png"}), sample("b")],
        ),
        ["validation.images -> validation.samples: conditions: [{type: first_frame"],
    ),
    "references": (
        validation(
            prompts=["a"],
            reference_videos=["a.mp4"],
            reference_downscale_factor=2,
            include_reference_in_output=True,
        ),
        validation(
            samples=[
                sample(
                    "a",
                    {"type": "reference", "video": "a.mp4", "downscale_factor": 2, "include_in_output": True},
                )
            ]
        ),
        ["validation.reference_videos", "reference_downscale_factor", "include_reference_in_output"],
    ),
    "several videos of a prompt": (
        {"training_strategy": VIDEO_ONLY, **validation(prompts=["a", "b"], videos_per_prompt=2)},
        {
            "training_strategy": VIDEO_ONLY,
            **validation(samples=[sample(p, seed=s) for p in "ab" for s in (42, 43)]),
        },
        ["validation.videos_per_prompt"],
    ),
    "lists that say nothing beside samples": (
        validation(samples=[sample("a")], prompts=[], images=None, reference_downscale_factor=1),
        validation(samples=[sample("a")]),
        ["validation.prompts -> removed", "validation.images -> removed"],
    ),
}
