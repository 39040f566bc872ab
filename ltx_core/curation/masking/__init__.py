"""Masks: which part of a clip is generated; a file for each kind. 1 keeps, 0 is generated."""
