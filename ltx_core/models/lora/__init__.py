"""LoRA: adapters, files, fit."""
