"""What models take in memory, counted from their shapes: no weights are read, and none downloaded."""
