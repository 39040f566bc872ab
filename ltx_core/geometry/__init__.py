"""Sizes of a sample in latent units. The only room where compression factors are turned into numbers."""
