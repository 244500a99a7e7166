"""Counters shared by all workers: records processed and rejected, and whether the limit on rejects is exceeded."""

from __future__ import annotations

import multiprocessing
import threading
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

from preprocess.workers import shared_memory_fault

_ENOUGH = 100
"""Minimum number of records before the limit on rejects applies."""
_TOP = 3


class RejectLimitError(Exception):
    """More records were rejected than `--max-reject-rate` allows; the message names the most common reasons."""

    def __init__(self, records: int, rejects: int, limit: float, reasons: Counter[str]) -> None:
        super().__init__(records, rejects, limit, reasons)
        self.records = records
        self.rejects = rejects
        self.limit = limit
        self.reasons = reasons

    def __str__(self) -> str:
        top = ", ".join(f"{count} {reason}" for reason, count in self.reasons.most_common(_TOP))
        return (
            f"{self.rejects} of {self.records} records rejected, {self.rejects / self.records:.1%}, "
            f"and --max-reject-rate is {self.limit:.1%}: {top}"
        )


class ShardAbandonedError(Exception):
    """A shard was given up because the run has too many rejects; ``reasons`` are those of its rejects so far."""

    def __init__(self, reasons: Counter[str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


class RejectCounter:
    """Counters of records processed and rejected, shared by all processes started with this object.

    If processes cannot share memory, all work is done in this one (`open_pool`), which then counts alone. ``limit`` is
    the maximum share of rejects, in [0, 1], None for no limit.
    """

    def __init__(self, limit: float | None, seen: int, rejected: int) -> None:
        self._counts: Any = [seen, rejected, 0]
        self._lock: AbstractContextManager[Any] = threading.Lock()
        if shared_memory_fault() is None:
            # The default context's lock could only be inherited by forks of this process.
            self._counts = multiprocessing.get_context("spawn").Array("q", self._counts)
            self._lock = self._counts.get_lock()
        self._limit = limit
        self.count(0, 0)

    @property
    def seen(self) -> int:
        """Records processed: samples and rejects."""
        return int(self._counts[0])

    @property
    def rejected(self) -> int:
        """Records rejected."""
        return int(self._counts[1])

    @property
    def stopped(self) -> bool:
        """Whether the limit was exceeded at any time."""
        return bool(self._counts[2])

    def count(self, samples: int, rejects: int) -> None:
        """Add to the counts."""
        with self._lock:
            self._counts[0] += samples + rejects
            self._counts[1] += rejects
            if self._limit is not None and self.seen >= _ENOUGH and self.rejected > self._limit * self.seen:
                self._counts[2] = 1

    def stop(self) -> None:
        """Let every worker abandon its shard."""
        with self._lock:
            self._counts[2] = 1

    def too_many(self, reasons: Counter[str]) -> RejectLimitError:
        """Return the error of a run that was stopped; ``reasons`` are those of all its rejects."""
        assert self._limit is not None, "a run without a limit is never stopped"
        return RejectLimitError(self.seen, self.rejected, self._limit, reasons)
