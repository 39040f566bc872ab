"""Configs in older forms, each whole: every key of its schema, most of them not at their default."""

from __future__ import annotations

LTX_VIDEO_LORA = """
model:
  model_source: LTXV_2B_0.9.5
  training_mode: lora
  load_checkpoint: earlier/lora.safetensors
lora: {rank: 16, alpha: 8, dropout: 0.05, target_modules: [to_q, to_v]}
conditioning:
  mode: none
  first_frame_conditioning_p: 0.3
  reference_latents_dir: unused
optimization:
  learning_rate: 2e-4
  steps: 700
  batch_size: 3
  gradient_accumulation_steps: 2
  max_grad_norm: 0.5
  optimizer_type: adamw8bit
  scheduler_type: cosine_with_restarts
  scheduler_params: {T_0: 100, T_mult: 2}
  enable_gradient_checkpointing: true
acceleration:
  mixed_precision_mode: fp16
  quantization: int8-quanto
  load_text_encoder_in_8bit: true
  compile_with_inductor: true
  compilation_mode: max-autotune
data: {preprocessed_data_root: films/.precomputed, num_dataloader_workers: 1}
validation:
  prompts: [a red fox in the snow, "rain: on a roof"]
  negative_prompt: blurry
  images: [fox.png, roof.png]
  reference_videos: null
  video_dims: [704, 480, 81]
  seed: 7
  inference_steps: 25
  interval: 50
  videos_per_prompt: 2
  guidance_scale: 3.5
checkpoints: {interval: 100, keep_last_n: 5}
hub: {push_to_hub: true, hub_model_id: someone/foxes}
flow_matching:
  timestep_sampling_mode: uniform
  timestep_sampling_params: {min_value: 0.1, max_value: 0.9}
seed: 11
output_dir: out/foxes
"""

LTX_VIDEO_IC_LORA = """
model: {model_source: ./models/ltx-video, training_mode: full}
conditioning: {mode: reference_video, first_frame_conditioning_p: 0.0, reference_latents_dir: edges}
data: {preprocessed_data_root: films}
validation:
  prompts: [a fox]
  reference_videos: [edges.mp4]
  guidance_scale: 1
  interval: null
acceleration: {compile_with_inductor: false}
"""

LTX2_TEXT_TO_VIDEO = """
model: {model_path: models/ltx2}
training_strategy:
  name: text_to_video
  first_frame_conditioning_p: 0.5
  with_audio: true
  audio_latents_dir: sounds
data: {preprocessed_data_root: films}
validation:
  prompts: [thunder]
  images: null
  reference_videos: []
  reference_downscale_factor: 1
  include_reference_in_output: false
  stg_scale: 0.5
  stg_mode: stg_v
"""

LTX2_VIDEO_TO_VIDEO = """
model: {model_path: models/ltx2}
training_strategy:
  name: video_to_video
  first_frame_conditioning_p: 0.2
  reference_latents_dir: reference_latents
validation:
  prompts: [a fox, a roof]
  images: [null, roof.png]
  reference_videos: [edges1.mp4, edges2.mp4]
  reference_downscale_factor: 2
  include_reference_in_output: true
  guidance_scale: 4.0
  stg_scale: 0.8
"""

OLDER = {
    "ltx-video-lora": LTX_VIDEO_LORA,
    "ltx-video-ic-lora": LTX_VIDEO_IC_LORA,
    "ltx2-text-to-video": LTX2_TEXT_TO_VIDEO,
    "ltx2-video-to-video": LTX2_VIDEO_TO_VIDEO,
}
