"""One trainer at a time in a run folder: a lock that its holder refreshes, and that is taken over from a dead holder.

RUN/fit.lock names the holder (host, boot, process, start time) and has a random token and a counter, which a thread of
the holder increments in place every 15 seconds. Another process that finds the file checks whether the holder is alive.
On the same boot of the same machine this is immediate: by the process's id and start time if it can see the process, or,
from another container, by the flock on the file, which ends with the process. Of a holder on another machine only the
counter is visible: it is alive if the file changes within a minute. No clocks are compared.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from common.errors import UserError
from common.errors import writing
from common.progress import notice
from train.hardware.world import World

LOCK: Final = "fit.lock"

_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""The errors of a file system without hard links."""

_BEAT: Final = 15.0
"""Seconds between two refreshes."""
_PATIENCE: Final = 60.0
"""Seconds within which a holder on another machine must refresh the lock."""
_LOOK: Final = 2.0
"""Seconds between two reads of the file."""
_GRACE: Final = 1.0
"""Seconds after which a missing lock is read again: another process may have restored it."""
_DIGITS: Final = 12
"""Fixed width of the counter, so that it can be written in place."""


@dataclass(frozen=True)
class Holder:
    """The holder of a lock."""

    host: str
    boot: str
    """The kernel's boot id; empty if there is none."""
    processes: str
    """The kernel's id of the holder's process namespace; each container has its own."""
    pid: int
    started: int
    """Start time of the process in kernel ticks since boot; 0 if unknown."""
    flock: bool
    """Whether the holder also has an flock on the file."""
    since: str
    token: str

    def __str__(self) -> str:
        return f"host {self.host}, process {self.pid}, since {self.since}"

    @classmethod
    def current(cls, token: str, flock: bool) -> Self:
        """Return this process."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), _processes(), pid, _start_of(pid) or 0, flock, since, token)


class RunLock:
    """A lock that this process holds."""

    def __init__(self, path: Path, holder: Holder, descriptor: int, wait: Callable[[float], None]) -> None:
        self._path, self._holder, self._descriptor, self._wait = path, holder, descriptor, wait
        self._beats = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = False
        """Whether the file turned out to be removed, or to belong to another process."""

    def start(self) -> None:
        """Start refreshing it every 15 seconds, in a thread."""
        self._thread = threading.Thread(target=self._refresh, name="run lock", daemon=True)
        self._thread.start()

    def beat(self) -> None:
        """Refresh it, unless it is lost."""
        if not self._is_mine():
            self.lost = True
            return
        self._beats += 1
        with suppress(OSError):  # the file system is full or absent for a while; a takeover meanwhile is noticed later
            os.pwrite(self._descriptor, _contents(self._holder, self._beats), 0)
            os.fsync(self._descriptor)

    def check(self) -> None:
        """Raise UserError if another process has taken it over, or it was removed."""
        self.lost = self.lost or not self._is_mine()
        if self.lost:
            holder = _read(self._path)[1]
            by = f"taken over ({holder})" if holder else "removed"
            raise UserError(f"{self._path}: this run's lock was {by}; stopped writing to the folder")

    def release(self) -> None:
        """Remove it, if it is still this process's."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(OSError), _exclusive(self._path.parent):
            if (holder := _read(self._path)[1]) is not None and holder.token == self._holder.token:
                self._path.unlink()
        os.close(self._descriptor)

    def _refresh(self) -> None:
        while not self._ended.wait(_BEAT) and not self.lost:
            self.beat()

    def _is_mine(self) -> bool:
        """Return whether the lock exists and is this process's; True if the file system cannot be read."""
        with suppress(OSError):
            if _read(self._path)[0] is None:
                self._wait(_GRACE)
            holder = _read(self._path)[1]
            return holder is not None and holder.token == self._holder.token
        return True


@contextmanager
def hold_run(run: Path, world: World, stop: Callable[[], bool] = lambda: False) -> Iterator[RunLock | None]:
    """Hold the run folder's lock in the block; create the folder if there is none.

    Of several processes rank 0 holds it; the others get None. Raise UserError if another process holds it, or the
    folder cannot be written to. ``stop`` ends the waiting for a holder on another machine.
    """
    lock = world.run_on_main(lambda: take(run, stop=stop))
    try:
        if lock is not None:
            lock.start()
        yield lock
    finally:
        if lock is not None:
            lock.release()


def holder_of(run: Path) -> Holder | None:
    """Return who holds the run folder's lock, if its process is known to be alive."""
    try:
        holder = _read(run / LOCK)[1]
    except OSError:
        return None
    return holder if holder is not None and _is_alive(run / LOCK, holder) else None


def take(
    run: Path,
    *,
    stop: Callable[[], bool] = lambda: False,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> RunLock:
    """Take the run folder's lock; see ``hold_run`` for the errors raised. ``wait`` and ``clock`` are in seconds."""
    with writing(f"--runs {run}"):
        run.mkdir(parents=True, exist_ok=True)
        while True:
            if (lock := _create(run / LOCK, wait)) is not None:
                return lock
            data, holder = _read(run / LOCK)
            if data is None:
                continue
            if holder is None or (alive := _is_alive(run / LOCK, holder)) is None:
                _watch(run, data, holder, stop, wait, clock)
            elif alive:
                raise _taken(run, str(holder))
            if (lock := _take_over(run / LOCK, data, holder, wait)) is not None:
                return lock


def _create(path: Path, wait: Callable[[float], None]) -> RunLock | None:
    """Create the lock with all its contents at once; None if there is one."""
    token = secrets.token_hex(8)
    temporary = path.with_name(f"{path.name}.{token}.tmp")
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        holder = _fill(descriptor, token)
        os.link(temporary, path)
    except FileExistsError:
        os.close(descriptor)
        return None
    except OSError as error:
        os.close(descriptor)
        if error.errno not in _NO_LINKS:
            raise
        return _create_plainly(path, token, wait)
    finally:
        temporary.unlink(missing_ok=True)
    return RunLock(path, holder, descriptor, wait)


def _create_plainly(path: Path, token: str, wait: Callable[[float], None]) -> RunLock | None:
    """Create the lock on a file system without links, where it is empty at first; empty does not mean dead."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return None
    return RunLock(path, _fill(descriptor, token), descriptor, wait)


def _fill(descriptor: int, token: str) -> Holder:
    """Write this process as the holder into a new lock, and take an flock on it if possible."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        flock = True
    except OSError:
        flock = False
    holder = Holder.current(token, flock)
    os.pwrite(descriptor, _contents(holder, 0), 0)
    os.fsync(descriptor)
    return holder


def _watch(
    run: Path,
    data: bytes,
    holder: Holder | None,
    stop: Callable[[], bool],
    wait: Callable[[float], None],
    clock: Callable[[], float],
) -> None:
    """Return after a minute without a change to the lock, or once it is removed. Raise UserError otherwise."""
    who = str(holder) if holder else "an unreadable holder"
    notice("trainer", f"{run / LOCK}: held by {who}; waiting {_PATIENCE:.0f} s to see whether it is still running")
    started = clock()
    while clock() - started < _PATIENCE:
        wait(_LOOK)
        if stop():
            raise UserError(f"{run}: stopped while waiting for {LOCK}; run the same command again")
        now, by = _read(run / LOCK)
        if now is None:
            return
        if now != data:
            raise _taken(run, str(by) if by else who)


def _take_over(
    path: Path, data: bytes, holder: Holder | None, wait: Callable[[float], None]
) -> RunLock | None:  # fmt: skip
    """Replace a dead holder's lock by one of this process; None where another process changed it meanwhile."""
    with _exclusive(path.parent):
        if _read(path)[0] != data:
            return None
        aside = path.with_name(f"{path.name}.{secrets.token_hex(8)}.tmp")
        try:
            path.rename(aside)
        except FileNotFoundError:
            return None
        try:
            if aside.read_bytes() != data:  # another process's new lock: restore it before its holder notices
                with suppress(FileExistsError):
                    os.link(aside, path)
                return None
        finally:
            aside.unlink(missing_ok=True)
        lock = _create(path, wait)
    if lock is not None:
        who = str(holder) if holder else "an unreadable holder"
        notice("trainer", f"{path}: taken over from a run that ended without removing it ({who})")
    return lock


def _taken(run: Path, who: str) -> UserError:
    return UserError(
        f"{run}: another trainer fit is using this folder ({who}; {run / LOCK}); wait until it finishes, or use another --runs"
    )


def _is_alive(path: Path, holder: Holder) -> bool | None:
    """Return whether the holder's process is alive; None if that cannot be determined here."""
    if holder.boot != _boot() or (not holder.boot and holder.host != socket.gethostname()):
        return None
    if holder.processes and holder.processes == _processes():
        return _start_of(holder.pid) == holder.started
    return _is_flocked(path) if holder.flock else None


def _is_flocked(path: Path) -> bool | None:
    """Return whether a process of this kernel holds the flock; None if that is unknown."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False


@contextmanager
def _exclusive(folder: Path) -> Iterator[None]:
    """Keep other processes from replacing the lock, as far as flock works on this file system."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # without it the replacement is checked afterwards, and undone
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _contents(holder: Holder, beats: int) -> bytes:
    """Return the lock's bytes; their number does not depend on the counter."""
    return (json.dumps({**asdict(holder), "beats": f"{beats:0{_DIGITS}d}"}, indent=2) + "\n").encode()


def _read(path: Path) -> tuple[bytes | None, Holder | None]:
    """Return the lock's bytes, None if there is none, and its holder, None if that cannot be read."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None, None
    try:
        values = json.loads(data)
        del values["beats"]
        holder = Holder(**values)
        typed = all(type(value) is type(getattr(_LIKE, name)) for name, value in asdict(holder).items())
    except (ValueError, KeyError, TypeError):
        return data, None
    return data, holder if typed else None


_LIKE = Holder("", "", "", 0, 0, False, "", "")


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _processes() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115  not a path
    except OSError:
        return ""


def _start_of(pid: int) -> int | None:
    """Return when a process was started; None if it has ended, even if its parent has not noticed (a zombie)."""
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in ("Z", "X") else int(rest[18])
