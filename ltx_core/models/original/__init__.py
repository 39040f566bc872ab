"""The original layout of LTX-2: names and configs, read and written."""
