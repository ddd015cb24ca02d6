"""The offline analyst: facets, names and hierarchies from plain text analysis, with no model and no network.

It reads the languages that have a word list and an embedding, says so of the rest, and is deterministic: the
same conversations give the same facets. It is no language model, and every manifest and page says so.
"""
