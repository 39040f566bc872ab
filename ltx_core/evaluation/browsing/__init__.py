"""The browsable page of a dataset: what it shows, its cards, its charts, its files."""
