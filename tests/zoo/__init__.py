"""Tiny models of every family and version with random weights, in every layout that users have."""
