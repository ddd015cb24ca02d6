"""Clio's method as plain functions over Polars frames: conversations in, shared topics out, nobody's words read.

The engine knows nothing of Dagster, `definitions.py` and `cli.py` aside.
"""

__version__ = "0.1.0"
