"""How far the device drafts, and what with: policies, their measurements, the path and its branches."""
