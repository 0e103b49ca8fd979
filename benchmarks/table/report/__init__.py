"""What cells say: a page, the paper's tables beside ours, values for other programs, and plots."""
