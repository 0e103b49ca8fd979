"""How the embedded pair is made: sprites, tokenizer, lessons, training, export and measurement."""
