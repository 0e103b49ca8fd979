"""Images: what a stranger's bytes are, what decoding them may cost, and the RGB pixels that they become."""
