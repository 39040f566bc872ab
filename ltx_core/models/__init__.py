"""Model families: information, loading, forward, LoRA, names."""
