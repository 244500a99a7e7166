"""The processes of distributed training, started by torchrun, and how they stay in sync.

They coordinate in host memory, over gloo, even on GPUs: these exchanges do not wait for GPU work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from common.errors import UserError

Parallel = Literal["ddp", "fsdp"]
"""ddp: each process has a copy of the weights and gradients are averaged. fsdp: each has a shard of every weight."""

T = TypeVar("T")

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


class PeerFailed(Exception):  # noqa: N818  another process raises and reports the error itself
    """Another process failed, so this one stops too."""


@dataclass(frozen=True)
class World:
    """The processes of a run, from the point of view of one of them; a single process never communicates."""

    rank: int = 0
    size: int = 1
    kind: Parallel | None = None
    """Kind of parallelism; None for a single process."""
    local_rank: int = 0
    """Rank among the processes of this machine."""
    group: dist.ProcessGroup | None = field(default=None, repr=False)
    """The group that they communicate in; None for the default one."""

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which writes files and reports."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """The device of this process."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda") if self.kind is None else torch.device("cuda", self.local_rank)

    def for_thread(self) -> World:
        """Return the same processes communicating in another group, so that a thread of each can do so independently.

        All processes must call this. The group is in host memory.
        """
        return replace(self, group=dist.new_group(backend="gloo"))

    def agree(self, action: Callable[[], T]) -> T:
        """Run an action that may fail on some processes; it then fails on all of them.

        The lowest failing rank raises its error, all others raise PeerFailed. ``action`` must not communicate.
        """
        return self.agree_and_sum(lambda: (action(), ()))[0]

    def agree_and_sum(self, action: Callable[[], tuple[T, Sequence[int]]], count: int = 0) -> tuple[T, Sequence[int]]:
        """Do the same as ``agree``, and sum ``count`` numbers returned with the result, in one all-reduce."""
        if self.kind is None:
            return action()
        totals = torch.zeros(1 + count, dtype=torch.int64)
        try:
            (result, numbers), error = action(), None
            totals[1:] = torch.tensor(numbers)
        except Exception as caught:
            totals[0], error = 1, caught
        dist.all_reduce(totals, group=self.group)
        if totals[0] == 0:
            return result, totals[1:].tolist()
        first = torch.tensor(self.size if error is None else self.rank)
        dist.all_reduce(first, dist.ReduceOp.MIN, group=self.group)
        if error is not None and first == self.rank:
            raise error
        raise PeerFailed

    def run_on_main(self, action: Callable[[], T]) -> T | None:
        """Run an action on rank 0 while the others wait; return None on the others."""
        return self.agree(lambda: action() if self.is_main else None)

    def broadcast_from_main(self, action: Callable[[], T]) -> T:
        """Run an action on rank 0 and return its result on all processes (broadcast)."""
        if self.kind is None:
            return action()
        result = [self.run_on_main(action)]
        dist.broadcast_object_list(result, src=0, group=self.group)
        return result[0]  # type: ignore[return-value]

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, in order of ranks."""
        if self.kind is None:
            return [value]
        values: list[T | None] = [None] * self.size
        dist.all_gather_object(values, value, group=self.group)
        return values  # type: ignore[return-value]

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any process."""
        return bool(self.total(torch.tensor(int(flag))))

    def total(self, value: Tensor) -> Tensor:
        """Return the sum over all processes of a tensor with the same shape on each (all-reduce)."""
        if self.kind is None:
            return value
        value = value.clone()
        dist.all_reduce(value, group=self.group)
        return value


SINGLE_PROCESS = World()


def is_peer_failure(error: RuntimeError) -> bool:
    """Return whether a collective operation failed because another process of the run ended."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return False
    return isinstance(error, dist.DistError) or any(name in str(error).lower() for name in ("gloo", "nccl"))


@contextmanager
def join(kind: Parallel | None) -> Iterator[World]:
    """Join the process group of the processes started by torchrun, for the duration of the context.

    Raise UserError if ``kind`` is set but this process was not started by torchrun, or if there is no GPU for it.
    """
    started = all(name in os.environ for name in _NAMES)
    if kind and not started:
        raise UserError(
            f"--parallel {kind}: not started by torchrun; run torchrun --nproc-per-node N -m train fit …, "
            "or omit --parallel"
        )
    rank, size, local_rank = (int(os.environ[name]) for name in _NAMES) if started else (0, 1, 0)
    if size == 1 and not kind:
        yield SINGLE_PROCESS
        return
    gpus = torch.cuda.device_count()
    if gpus and local_rank >= gpus:
        raise UserError(f"torchrun: no GPU for local rank {local_rank} of {gpus} GPUs; use --nproc-per-node {gpus}")
    if gpus:
        torch.cuda.set_device(local_rank)
    _init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", rank, size)
    try:
        yield World(rank, size, kind or "ddp", local_rank)
    finally:
        dist.destroy_process_group()


def _init_process_group(backend: str, rank: int, size: int) -> None:
    """Initialise the process group through torchrun's store."""
    store, *_ = next(rendezvous("env://"))
    if os.environ.get("LOCAL_WORLD_SIZE") == str(size):
        # On one machine, torchrun may keep its store across restarts, with the addresses of the killed processes still
        # in it. Here the restart count is the same for all processes; across machines it may differ.
        store = PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)
