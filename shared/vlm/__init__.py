"""One port over Hugging Face vision-language models, its families, and a toy model that needs no weights."""
