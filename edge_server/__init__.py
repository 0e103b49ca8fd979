"""The edge: holds the target, verifies what devices draft, and says what they did not."""
