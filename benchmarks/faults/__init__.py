"""Breaks things on purpose and looks whether every answer is complete, identical, and leaves nothing behind."""
