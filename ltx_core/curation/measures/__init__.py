"""What is measured of a whole film and its sound, once: series that clips are judged by."""

MEASURES_VERSION = 1
"""Raised when a series of the same film would be another; films are then looked at anew."""
