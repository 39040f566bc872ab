"""Language models that see and hear, run in this process: Qwen2.5-VL, Qwen2.5-Omni and Qwen3-Omni."""
