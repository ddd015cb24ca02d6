"""Corpora whose categories are known: `categories.toml`, what people write in each of them in `banks/`, or Claude.

The generator and the analyst know nothing of each other: no word list of one is imported by the other, and names of
categories (`names.toml`: as they begin in each language) hardly occur in what people write. `honesty` rejects a corpus
of which that is not so; tests/test_corpora.py measures all of it.
"""
