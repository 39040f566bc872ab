"""Media and models in, latents and embeddings out."""
