"""Edge tokens a second with many devices, each replayed from a recording and not from a model."""
