"""Files in, files out: probing, decoding, sound, sizes, writing and contact sheets."""
