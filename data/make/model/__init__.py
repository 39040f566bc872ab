"""Makes the tiny LTX-2 of the demo: `python -m data.make.model OUT --seed 0`."""
