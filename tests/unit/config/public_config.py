"""A config of the public LTX-2 trainer: every field of its schema, none at its default."""

from __future__ import annotations

PUBLIC = """
model:
  model_path: models/ltx2
  text_encoder_path: models/gemma
  video_vae_path: models/video_vae
  audio_vae_path: models/audio_vae
  training_mode: full
  load_checkpoint: earlier
lora: {rank: 8, alpha: 16, dropout: 0.1, target_modules: [attn1.to_k]}
training_strategy:
  name: flexible
  video:
    is_generated: true
    latents_dir: my_latents
    conditions:
      - {type: first_frame, probability: 0.2}
      - {type: prefix, temporal_boundary: 2, probability: 0.3}
      - {type: suffix, temporal_boundary: 1, probability: 0.4}
      - {type: spatial_crop, spatial_region: [0, 0, 64, 64], probability: 0.5}
      - {type: mask, mask_dir: my_masks, probability: 0.6}
      - {type: reference, latents_dir: my_references, probability: 0.7}
  audio:
    is_generated: true
    latents_dir: my_sounds
    conditions: [{type: reference, latents_dir: my_reference_sounds, probability: 1.0}]
optimization:
  learning_rate: 3e-4
  steps: 900
  batch_size: 4
  gradient_accumulation_steps: 3
  max_grad_norm: 0.7
  optimizer_type: adamw8bit
  scheduler_type: polynomial
  scheduler_params: {power: 2.0}
  enable_gradient_checkpointing: true
acceleration:
  mixed_precision_mode: fp16
  quantization: fp8-quanto
  load_text_encoder_in_8bit: true
  offload_optimizer_during_validation: true
data: {preprocessed_data_root: films, num_dataloader_workers: 5}
validation:
  samples:
    - prompt: a fox
      video_dims: [512, 320, 25]
      seed: 3
      conditions:
        - {type: first_frame, image_or_video: fox.png}
        - {type: prefix, video: before.mp4, num_frames: 9}
        - {type: suffix, audio: after.wav, duration: 0.5}
        - {type: spatial_crop, video: wide.mp4, spatial_region: [0, 0, 64, 64]}
        - {type: mask, video: film.mp4, mask: mask.png}
        - type: reference
          video: edges.mp4
          downscale_factor: 2
          temporal_scale_factor: 3
          include_in_output: true
    - {prompt: steps, conditions: [{type: video_to_audio, video: steps.mp4}]}
    - {prompt: a drummer, conditions: [{type: audio_to_video, audio: drums.wav}]}
  negative_prompt: dull
  video_dims: [768, 448, 57]
  frame_rate: 30.0
  seed: 5
  inference_steps: 12
  interval: 20
  video_cfg_scale: 2.0
  audio_cfg_scale: 4.0
  video_stg_scale: 0.5
  audio_stg_scale: 0.25
  stg_blocks: [27, 28]
  guidance_rescale: 0.5
  video_modality_guidance_scale: 2.0
  audio_modality_guidance_scale: 1.5
  generate_audio: false
  generate_video: false
  skip_initial_validation: true
checkpoints: {interval: 30, keep_last_n: -1, precision: float32, no_resume: true, save_training_state: "off"}
hub: {push_to_hub: true, hub_model_id: someone/model}
flow_matching:
  timestep_sampling_mode: shifted_logit_normal
  timestep_sampling_params: {std: 0.8, eps: 0.002, uniform_prob: 0.2}
wandb: {enabled: true, project: mine, entity: us, tags: [a, b], log_validation_videos: false}
seed: 17
output_dir: out
"""
