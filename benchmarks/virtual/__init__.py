"""Answers replayed on a virtual clock: what policies and branches bring for any costs and any link."""
