"""Frozen linear layers in few bits."""
