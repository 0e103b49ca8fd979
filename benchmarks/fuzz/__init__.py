"""Says to a live edge what no device would, and looks whether it stands, answers by name, and serves the others."""
