"""What both ends must agree on. Imports neither end."""
