"""Ways to put an edge and a device to work."""
