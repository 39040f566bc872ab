"""Makes the demo's footage and its tiny model from seeds."""
