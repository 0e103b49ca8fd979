"""The embedded pair: a tiny target and draft that read pictures of a little world, and that world."""
