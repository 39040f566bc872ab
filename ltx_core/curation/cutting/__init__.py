"""Scenes of films and the windows of scenes."""
