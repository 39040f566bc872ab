"""Which clips are set aside, by the scores that are measured of them."""
