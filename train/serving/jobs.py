"""Job queue: one job runs at a time, a few may wait, and the last results are kept in memory."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from common.errors import UserError
from train.diffusion.samplers import OnStep

State = Literal["waiting", "running", "done", "failed", "cancelled"]

MAX_WAITING: Final = 8
"""Maximum number of waiting jobs."""
MAX_KEPT: Final = 32
"""Maximum number of finished jobs whose images are kept."""
MAX_PHOTOGRAPHS: Final = 256 * 2**20
"""Maximum bytes of whole photographs that are kept; beyond it the oldest jobs keep only their square images."""
_TIMED: Final = 3
"""Number of finished jobs whose median is the expected time."""

_log = logging.getLogger(__name__)


class QueueFullError(Exception):
    """The maximum number of jobs is waiting."""


class JobCancelledError(Exception):
    """The running job was cancelled."""


class NotReadyError(UserError):
    """A job failed through no fault of its sender: something that the server needs is missing."""


@dataclass(frozen=True)
class Photograph:
    """A PNG and its (width, height)."""

    png: bytes
    size: tuple[int, int]


@dataclass(frozen=True)
class Result:
    """One PNG per stage, by the stage's name, and how they were made."""

    pictures: Mapping[str, bytes]
    metadata: Mapping[str, str]
    photograph: Photograph | None = None
    """The whole photograph with the last image in it, if the person's photograph is at hand."""
    comparisons: Mapping[str, bytes] = field(default_factory=dict)
    """JPEGs to be shown beside the result, or overlays of what was estimated of a photograph, by name"""


@dataclass
class Job:
    """One requested image."""

    make: Callable[[OnStep], Result] | None
    """Makes the image; it holds the uploads, so it is None once the job has ended"""
    on_end: Callable[[], None] = lambda: None
    """Called, in any thread, when the job has ended"""
    cancel_requested: threading.Event = field(default_factory=threading.Event)
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = "waiting"
    began: float = 0.0
    ended: float = 0.0
    result: Result | None = None
    error: str = ""
    status: int = 200
    """HTTP status of a failed job: 422 for a bad upload, 503 for what the server lacks, 500 for a bug"""

    def on_step(self, _step: int, _steps: int) -> None:
        """Raise JobCancelledError if the job was cancelled; called before every sampling step."""
        if self.cancel_requested.is_set():
            raise JobCancelledError

    @property
    def seconds(self) -> float:
        """Run time so far, or in total once ended."""
        if not self.began:
            return 0.0
        return (self.ended or time.monotonic()) - self.began


class Jobs:
    """The queue and its worker thread. All methods are thread-safe."""

    def __init__(self, most_waiting: int = MAX_WAITING) -> None:
        self._most_waiting = most_waiting
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._took: deque[float] = deque(maxlen=_TIMED)
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="dressing", daemon=True)

    def start(self) -> None:
        """Start the worker thread."""
        self._thread.start()

    def stop(self, patience: float) -> bool:
        """Cancel all jobs and stop the worker; return whether it ended within ``patience`` seconds."""
        with self._changed:
            self._stopped = True
            waiting = list(self._waiting)
            for job in self._jobs.values():
                job.cancel_requested.set()
            self._changed.notify_all()
        for job in waiting:
            self.cancel(job)
        self._thread.join(patience)
        return not self._thread.is_alive()

    def add(self, make: Callable[[OnStep], Result], on_end: Callable[[], None] = lambda: None) -> Job:
        """Append a job to the queue. Raise QueueFullError if it is full, or no job is taken any more."""
        with self._changed:
            if self._stopped or len(self._waiting) >= self._most_waiting:
                raise QueueFullError
            job = Job(make, on_end)
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._forget()
            self._changed.notify_all()
        return job

    @property
    def is_full(self) -> bool:
        """Whether no more jobs can wait."""
        with self._changed:
            return len(self._waiting) >= self._most_waiting

    def load(self) -> tuple[int, int]:
        """Return the numbers of waiting and of running jobs."""
        with self._changed:
            return len(self._waiting), sum(job.state == "running" for job in self._jobs.values())

    def discard(self, job: Job) -> None:
        """Remove a finished job and its result from the queue; references to the job stay valid."""
        with self._changed:
            if job.state not in ("waiting", "running"):
                self._jobs.pop(job.id, None)

    def find(self, name: str) -> Job | None:
        """Return the job with this id, or None if it is unknown or was discarded."""
        with self._changed:
            return self._jobs.get(name)

    def jobs_ahead(self, job: Job) -> int:
        """Return the number of jobs ahead of this one."""
        with self._changed:
            if job not in self._waiting:
                return 0
            return self._waiting.index(job) + any(other.state == "running" for other in self._jobs.values())

    def expected_seconds(self) -> float | None:
        """Return the median time of the last jobs, or None before the first one."""
        with self._changed:
            took: Sequence[float] = sorted(self._took)
        return took[len(took) // 2] if took else None

    def cancel(self, job: Job) -> bool:
        """Remove a waiting job from the queue or cancel a running one; return False if it has ended."""
        with self._changed:
            was_waiting = job in self._waiting
            if was_waiting:
                self._waiting.remove(job)
                job.state, job.make = "cancelled", None
            elif job.state != "running":
                return False
            job.cancel_requested.set()
        if was_waiting:
            job.on_end()
        return True

    def _work(self) -> None:
        while (job := self._next()) is not None:
            state, result, error, status = _run(job)
            with self._changed:
                job.ended = time.monotonic()
                job.result, job.error, job.status, job.state, job.make = result, error, status, state, None
                if result:
                    self._took.append(job.seconds)
                    self._forget_photographs()
            job.on_end()
            del job, result  # keep no reference while waiting for the next job

    def _next(self) -> Job | None:
        with self._changed:
            while not self._waiting and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return None
            job = self._waiting.popleft()
            job.state, job.began = "running", time.monotonic()
            return job

    def _forget(self) -> None:
        """Discard the oldest finished jobs beyond the limit."""
        over = [job for job in self._jobs.values() if job.state not in ("waiting", "running")]
        for job in over[: max(0, len(over) - MAX_KEPT)]:
            del self._jobs[job.id]

    def _forget_photographs(self) -> None:
        """Discard the photographs of the oldest jobs beyond the limit; that of the last one stays."""
        kept = 0
        for job in reversed(self._jobs.values()):
            if job.result and job.result.photograph:
                size = len(job.result.photograph.png) + sum(map(len, job.result.comparisons.values()))
                kept += size
                if kept > MAX_PHOTOGRAPHS and kept > size:
                    job.result = replace(job.result, photograph=None, comparisons={})


def _run(job: Job) -> tuple[State, Result | None, str, int]:
    """Run the job; return its final state, the result, the error message, and the HTTP status."""
    assert job.make is not None, "a job runs once"
    try:
        return "done", job.make(job.on_step), "", 200
    except JobCancelledError:
        return "cancelled", None, "", 499
    except NotReadyError as missing:
        return "failed", None, str(missing), 503
    except UserError as refused:
        return "failed", None, str(refused), 422
    except Exception:
        _log.exception("job failed")
        return "failed", None, "internal error; see the program's log", 500
