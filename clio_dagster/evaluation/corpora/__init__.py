"""Corpora whose categories are known, and what people write in each of them: `categories.toml` and `banks/`.

The generator and the analyst know nothing of each other: no word list of one is imported by the other, and names of
categories hardly occur in what people write (tests/test_corpora.py measures both).
"""
