"""What models take of memory and time, from sizes alone."""
