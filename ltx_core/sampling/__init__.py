"""Sampler, guidance and decoding of results."""
