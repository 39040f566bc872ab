"""The on-disk rows and parts: keys, write, read, verify."""
