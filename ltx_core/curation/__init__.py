"""Scenes, captions, references, masks and buckets: pure functions on frames and sound."""
