"""The options of this room, free of heavy imports."""
