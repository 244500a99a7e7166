"""Atomic writes: a file appears under its final name complete, or not at all.

A file is written under a temporary name next to its final one and stays locked while its writer lives. So a run can
tell files left by a dead process from files that another one is still writing. The name states the writer's machine: as
some network file systems keep locks on each machine apart, another machine's file is left alone while it is young.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import secrets
import socket
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

_SUFFIX = ".tmp"
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EISDIR}
"""Error numbers of file systems that cannot open or fsync a folder."""


_YOUNG = 15 * 60
"""Seconds since its last change during which another machine's file may still be written."""


def write_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` under a temporary name in the same folder, fsync it, rename it to ``path``, fsync the folder."""
    with atomic_file(path) as file:
        file.write(data)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a new file that is renamed to ``path`` when the block ends; if the block raises, it is removed."""
    temporary, file = _open_temporary(path)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_stale(folder: Path, names: Collection[str]) -> None:
    """Remove temporary files that dead writers of ``names`` left in ``folder``; a living writer's file stays."""
    for path in folder.glob(f"*{_SUFFIX}"):
        final, _, writer = path.name.removesuffix(_SUFFIX).rpartition(".")
        if final in names and path.is_file() and not path.is_symlink() and not _may_live_elsewhere(path, writer):
            _remove_unless_locked(path)


def _may_live_elsewhere(path: Path, writer: str) -> bool:
    """Return whether the file is young and of another machine, whose lock may be invisible here."""
    machine, has_machine, _ = writer.partition("-")
    if not has_machine or machine == _machine():
        return False
    try:
        return time.time() - path.stat().st_mtime < _YOUNG
    except OSError:
        return True


@cache
def _machine() -> str:
    """Return a few letters that differ between machines, but not between containers of one, which share locks."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:  # not Linux
        name = socket.gethostname()
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def sync_file(path: Path) -> None:
    """Make the bytes of a file that is written durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make renames inside ``folder`` durable, as far as its file system can: some network file systems cannot."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        if error.errno in _CANNOT_SYNC:
            return
        raise
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)


def _open_temporary(path: Path) -> tuple[Path, BinaryIO]:
    """Create and lock a file under a unique temporary name."""
    while True:
        temporary = path.with_name(f"{path.name}.{_machine()}-{secrets.token_hex(6)}{_SUFFIX}")
        file = temporary.open("xb")
        # Without locks on this file system, others cannot lock it either, so they will not remove it.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.exists():  # else it was removed as a dead writer's before it was locked
            return temporary, file
        file.close()


def _remove_unless_locked(path: Path) -> None:
    try:
        with path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except OSError:
        return
