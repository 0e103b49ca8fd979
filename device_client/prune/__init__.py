"""Which visual tokens enter the draft: pure functions from what it sees to a sorted set of kept indices."""
