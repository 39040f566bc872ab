"""Where the records of a training go: TensorBoard, W&B, trackio; one protocol (`base.py`)."""
