"""Phrase banks, a file a language: what people write about each subcategory, in `ask` and its slots."""
