"""What it costs the draft to see less: agreement with the target by pruner and budget, and the time it saves."""
