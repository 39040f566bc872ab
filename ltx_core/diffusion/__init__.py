"""Tokens of a modality and the flow-matching equations on them."""
