"""Which process is which: a name for this process that no other has, in another container or after a restart either.

A host's name and a process's number are not enough. Containers may share a name, each has a process 1, and a number is
given out again. So a process is known by where its number counts (this boot of the kernel, this namespace) and by
when it began.
"""

from __future__ import annotations

import os
import socket
import sys
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

_PROC = Path("/proc")


@lru_cache(maxsize=1)
def _of_this_process(process: int) -> str:
    if not sys.platform.startswith("linux"):
        return socket.gethostname()
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (_PROC / "self/ns/pid").stat().st_ino
    except OSError:
        # It cannot be seen whose numbers these are: nobody but this process answers for it.
        return f"{socket.gethostname()}/{process}/{uuid4().hex}"
    return f"{socket.gethostname()}/{boot}/{namespace}"


def here() -> str:
    """Where numbers of processes mean what they mean to this one."""
    return _of_this_process(os.getpid())


def began(process: int) -> int:
    """When a process of this place began, in the kernel's ticks since boot; 0 where that cannot be seen, as where /proc
    is another namespace's, or there is no such process.

    From the 22nd field of /proc/PID/stat (proc(5)); the second, its name, may hold spaces and brackets.
    """
    try:
        if (_PROC / "self").readlink().name != str(os.getpid()):
            return 0
        fields = (_PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[19])


def is_alive(process: int, beginning: int) -> bool:
    """Whether the process of this place with that number, which began then, lives. 0: whenever it began."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    now = began(process)
    return not (beginning and now) or now == beginning
