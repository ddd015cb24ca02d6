"""Imported before any test."""

# Its pytest plugin imports it for the closing summary otherwise, deep in the stack and through pytest's rewriting of
# assertions, where CPython 3.11.7 fails with "AST constructor recursion depth mismatch".
import hypothesis  # noqa: F401
