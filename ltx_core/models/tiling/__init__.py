"""Video autoencoders in pieces."""
