"""Checks exactness, agreement, choosing and bytes on a target and a draft with trained language weights."""
