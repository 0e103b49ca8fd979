"""The device: shows a draft model the picture, drafts ahead, and reads out what the edge says."""
