"""One file per stage: what its keys depend on, and how its rows are computed."""
