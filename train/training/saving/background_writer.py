"""Writing while the training goes on.

Under FSDP a thread of each process writes what the step loop has copied to host memory, and the threads communicate in
a process group of their own. The loop waits for them only where a step is to be saved and an earlier one is still being
written. In any other run everything is written at once.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from types import TracebackType
from typing import Self

import torch

from common.errors import UserError
from train.hardware.world import PeerFailed, World

Write = Callable[[World], object]
"""What all processes do together, communicating by the World that is passed."""


class BackgroundWriter:
    """Writes what is added, in order; the end of its block waits for all of it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._behind = world.for_thread() if world.kind == "fsdp" else None
        """The world of the thread; None if nothing is written in the background."""
        self._thread = ThreadPoolExecutor(1, "checkpoint writer", lambda: _select_device(world))
        self._pending: list[Future[None]] = []
        self._step: int | None = None

    def wait_for_earlier(self, step: int) -> None:
        """Wait for what was added at earlier steps, so that host memory holds the copies of one step at most."""
        if self._step != step:
            self.wait()
        self._step = step

    def add(self, write: Write) -> None:
        """Write now, or behind the steps."""
        if self._behind is None:
            write(self._world)
        else:
            self._pending.append(self._thread.submit(_write_together, write, self._behind))

    def check(self) -> None:
        """Raise the error of a failed write. To be called in `World.agree`: the first process that knows stops all."""
        for future in self._pending:
            if future.done():
                future.result()

    def wait(self) -> None:
        """Wait until everything is written. Raise the error of a failed write on one process, PeerFailed on others."""
        if self._behind is not None:
            self._world.agree(self._join)

    def settle(self) -> None:
        """Wait until nothing is being written, whatever came of it; the processes need not all call this."""
        wait_for(self._pending)

    def _join(self) -> None:
        pending, self._pending = self._pending, []
        for future in pending:
            future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            self.wait()
        else:  # which is what the user is to see
            self.settle()
        self._thread.shutdown()


def _write_together(write: Write, world: World) -> None:
    """Write; if that fails on any process, raise a UserError with the same message on all.

    So whichever notices first can report it.
    """
    failure: Exception | None = None
    try:
        write(world)
    except PeerFailed:
        pass
    except Exception as caught:
        failure = caught
    messages = [message for message in world.gather(failure and _message(failure)) if message]
    if failure is not None and not isinstance(failure, UserError):
        raise failure
    if messages:
        raise UserError(messages[0])


def _message(error: Exception) -> str:
    return str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _select_device(world: World) -> None:
    if world.device.type == "cuda":  # a thread begins with the first card, which belongs to another process
        torch.cuda.set_device(world.device)
