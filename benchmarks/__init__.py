"""How fast the stages, the store, the training step and a plan are, against the bare libraries."""
