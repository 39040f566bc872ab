"""The demo: a tiny model, its footage, and the code that made both."""
