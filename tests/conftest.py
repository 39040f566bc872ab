"""Makes `tests/` a place to import helpers from that unit tests and proofs share."""
