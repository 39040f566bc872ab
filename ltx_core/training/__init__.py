"""The training step and loop, checkpoints, draws and logs."""
