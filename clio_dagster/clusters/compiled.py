"""UMAP with its machine code kept on disk: compiling takes a process ten seconds, a map of topics a tenth of one."""

from __future__ import annotations

import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

_COMPILED = ("umap-learn", "pynndescent", "numba")
"""Whose code goes into it. numba looks whether a file has changed, but not the files whose functions it calls."""


def load_umap() -> ModuleType:
    """The module `umap`. The first process compiles; its code lies beside the package, in its owner's cache where that
    cannot be written, and nowhere where neither can."""
    if "umap" not in sys.modules:
        import numba

        def kept(*args: Any, **options: Any) -> Any:
            return compiled(*args, **{"cache": True} | options)

        compiled = numba.njit
        try:
            with patch.object(numba, "njit", kept), patch.object(numba.config, "CACHE_DIR", _folder()):
                import umap
        except RuntimeError:  # there is no place that can be written
            pass
    import umap

    return umap


def _folder() -> str:
    spec = find_spec("umap")
    beside = Path(spec.origin).parent if spec and spec.origin else Path()
    return str(beside / "__pycache__" / "-".join(f"{name}-{version(name)}" for name in _COMPILED))
