"""A folder of every oddity that real footage has, made in seconds, with what is expected of each file."""
