"""Replace a folder as a whole: a reader finds the old one or the new one, whenever the writer is killed.

New content is written to a hidden sibling, flushed to disk, then exchanged with the folder in one system call
where the system has one (Linux `renameat2`, macOS `renamex_np`). Elsewhere two renames stand in, with a
moment between them in which the folder is missing; `recover` puts the old one back if the writer died there.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from filelock import FileLock

_NEXT, _PREVIOUS = ".next", ".previous"
_NOT_OFFERED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_AT_FDCWD = -100
_EXCHANGE = 2  # RENAME_EXCHANGE on Linux and RENAME_SWAP on macOS


def locked(parent: Path) -> AbstractContextManager[object]:
    """One writer at a time in `parent`; waits its turn. `replace_folder` and `recover` run inside."""
    parent.mkdir(parents=True, exist_ok=True)
    return FileLock(parent / ".lock")


def exchange(one: Path, other: Path) -> bool:
    """Exchange two existing folders atomically. False where the system or the file system cannot."""
    library = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(one), os.fsencode(other)
    try:
        if sys.platform == "darwin":
            failed = library.renamex_np(*paths, ctypes.c_uint(_EXCHANGE))
        else:
            failed = library.renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], ctypes.c_uint(_EXCHANGE))
    except AttributeError:
        return False
    if not failed:
        return True
    code = ctypes.get_errno()
    if code in _NOT_OFFERED:
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


def replace_folder(
    target: Path, files: Mapping[str, bytes], *, exchange: Callable[[Path, Path], bool] = exchange
) -> None:
    """Make `target` hold exactly `files` (paths relative to it, `/` between folders), all or nothing."""
    parent = target.parent
    staged, previous = parent / f".{target.name}{_NEXT}", parent / f".{target.name}{_PREVIOUS}"
    _write(staged, files)
    if not target.exists():
        staged.rename(target)
    elif not exchange(staged, target):
        target.rename(previous)
        staged.rename(target)
    _flush(parent)
    shutil.rmtree(staged, ignore_errors=True)
    shutil.rmtree(previous, ignore_errors=True)


def recover(parent: Path) -> list[str]:
    """Mend what a killed writer left in `parent`; returns the names of the folders it mended.

    A folder that was set aside and not yet replaced is put back; every other leftover is removed.
    """
    mended = set()
    for previous in sorted(parent.glob(f".*{_PREVIOUS}")):
        target = parent / previous.name.removeprefix(".").removesuffix(_PREVIOUS)
        if not target.exists():
            previous.rename(target)
            _flush(parent)
        else:
            shutil.rmtree(previous)
        mended.add(target.name)
    for staged in sorted(parent.glob(f".*{_NEXT}")):
        shutil.rmtree(staged)
        mended.add(staged.name.removeprefix(".").removesuffix(_NEXT))
    return sorted(mended)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    made = {folder}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made.add(path.parent)
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    for one in sorted(made, reverse=True):
        _flush(one)


def _flush(folder: Path) -> None:
    """Flush a folder's entries, so that a rename outlives a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
