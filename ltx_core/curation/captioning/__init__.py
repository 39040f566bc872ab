"""Captions: who writes them, what is asked and sent, what comes back, and what people make of it."""
