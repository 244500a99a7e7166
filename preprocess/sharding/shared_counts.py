"""Counts that all workers share: how many records were seen and rejected, and when that is too many."""

from __future__ import annotations

import multiprocessing
import threading
from collections import Counter
from contextlib import AbstractContextManager
from typing import Any

from preprocess.workers import shared_memory_fault

_ENOUGH = 100
"""Records that have to be seen before a rate of rejects means anything."""
_TOP = 3


class RejectLimitError(Exception):
    """More records were rejected than `--max-reject-rate` allows; the message names the commonest reasons."""

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


class GivenUpError(Exception):
    """A shard was given up because the run rejects too much; carries the reasons met in it."""

    def __init__(self, reasons: Counter[str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


class Tally:
    """Records seen and rejected, counted by all processes that were started with this object.

    Where processes cannot share memory all work is done in this one (`open_pool`), which then counts alone.
    ``limit`` is the highest share of rejects, in [0, 1], None for no limit.
    """

    def __init__(self, limit: float | None, seen: int, rejected: int) -> None:
        self._counts: Any = [seen, rejected, 0]
        self._lock: AbstractContextManager[Any] = threading.Lock()
        if shared_memory_fault() is None:
            # The default's lock would go to children of a fork of this process alone.
            self._counts = multiprocessing.get_context("spawn").Array("q", self._counts)
            self._lock = self._counts.get_lock()
        self._limit = limit
        self.count(0, 0)

    @property
    def seen(self) -> int:
        """Records that became a sample or a reject."""
        return int(self._counts[0])

    @property
    def rejected(self) -> int:
        """Records that became a reject."""
        return int(self._counts[1])

    @property
    def stopped(self) -> bool:
        """Whether there have been too many rejects at any moment."""
        return bool(self._counts[2])

    def count(self, samples: int, rejects: int) -> None:
        """Add to the counts."""
        with self._lock:
            self._counts[0] += samples + rejects
            self._counts[1] += rejects
            if self._limit is not None and self.seen >= _ENOUGH and self.rejected > self._limit * self.seen:
                self._counts[2] = 1

    def too_many(self, reasons: Counter[str]) -> RejectLimitError:
        """Return the error of a run that was stopped; ``reasons`` are those of all its rejects."""
        assert self._limit is not None, "a run without a limit is never stopped"
        return RejectLimitError(self.seen, self.rejected, self._limit, reasons)
