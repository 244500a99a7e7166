"""The processes that train together, started by torchrun, and how they stay of one mind.

What they agree on travels in host memory, over gloo, beside GPUs too: it does not wait for their work.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from common.errors import UserError

Parallel = Literal["ddp", "fsdp"]
"""Each process has a copy of the weights and averages the gradients, or each has a share of every weight."""

T = TypeVar("T")

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK")


class Elsewhere(Exception):  # noqa: N818  the error itself is raised, and told, by another process
    """Another process cannot go on, so neither can this one."""


@dataclass(frozen=True)
class World:
    """All processes of a training, seen by one of them. One that trains alone asks nobody and waits for nobody."""

    rank: int = 0
    size: int = 1
    kind: Parallel | None = None
    """How they share the work; None for a process alone."""
    local_rank: int = 0
    """The rank among those of this machine."""

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and tells."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        return torch.device("cuda") if self.kind is None else torch.device("cuda", self.local_rank)

    def agree(self, action: Callable[[], T]) -> T:
        """Do on every process what may fail on some of them; then it fails on all.

        The lowest rank that failed raises its error, all others Elsewhere. ``action`` must not ask the others.
        """
        return self.agree_and_sum(lambda: (action(), ()))[0]

    def agree_and_sum(self, action: Callable[[], tuple[T, Sequence[int]]], count: int = 0) -> tuple[T, Sequence[int]]:
        """Do as ``agree`` does, and sum ``count`` numbers that come with the result: in one exchange."""
        if self.kind is None:
            return action()
        totals = torch.zeros(1 + count, dtype=torch.int64)
        try:
            (result, numbers), error = action(), None
            totals[1:] = torch.tensor(numbers)
        except Exception as caught:
            totals[0], error = 1, caught
        dist.all_reduce(totals)
        if totals[0] == 0:
            return result, totals[1:].tolist()
        first = torch.tensor(self.size if error is None else self.rank)
        dist.all_reduce(first, dist.ReduceOp.MIN)
        if error is not None and first == self.rank:
            raise error
        raise Elsewhere

    def first(self, action: Callable[[], T]) -> T | None:
        """Do something on the first process alone while the others wait; return None on these."""
        return self.agree(lambda: action() if self.leads else None)

    def told(self, action: Callable[[], T]) -> T:
        """Find something out on the first process, and return it on all."""
        if self.kind is None:
            return action()
        found = [self.first(action)]
        dist.broadcast_object_list(found, src=0)
        return found[0]  # type: ignore[return-value]

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any process."""
        return bool(self.total(torch.tensor(int(flag))))

    def total(self, value: Tensor) -> Tensor:
        """Return the sum over all processes of a tensor that is of one shape on all."""
        if self.kind is None:
            return value
        value = value.clone()
        dist.all_reduce(value)
        return value


ALONE = World()


def lost_another(error: RuntimeError) -> bool:
    """Return whether an exchange has failed since another process of this training has ended."""
    if os.environ.get("WORLD_SIZE", "1") == "1":
        return False
    return isinstance(error, dist.DistError) or any(name in str(error).lower() for name in ("gloo", "nccl"))


@contextmanager
def join(kind: Parallel | None) -> Iterator[World]:
    """Meet the other processes that torchrun has started, until the end of the context.

    Raise UserError where ``kind`` is given and torchrun did not start this process, or where it has no GPU for it.
    """
    started = all(name in os.environ for name in _NAMES)
    if kind and not started:
        raise UserError(
            f"--parallel {kind}: not started by torchrun; give torchrun --nproc-per-node N -m train fit …, "
            "or leave out --parallel"
        )
    rank, size, local_rank = (int(os.environ[name]) for name in _NAMES) if started else (0, 1, 0)
    if size == 1 and not kind:
        yield ALONE
        return
    gpus = torch.cuda.device_count()
    if gpus and local_rank >= gpus:
        raise UserError(f"torchrun: process {local_rank} has no GPU of its own; --nproc-per-node {gpus} would fit")
    if gpus:
        torch.cuda.set_device(local_rank)
    _meet("cpu:gloo,cuda:nccl" if gpus else "gloo", rank, size)
    try:
        yield World(rank, size, kind or "ddp", local_rank)
    finally:
        dist.destroy_process_group()


def _meet(backend: str, rank: int, size: int) -> None:
    """Make the process group, by way of torchrun's store."""
    store, *_ = next(rendezvous("env://"))
    if os.environ.get("LOCAL_WORLD_SIZE") == str(size):
        # On one machine torchrun may keep its store when it starts the processes again: the addresses of those that
        # were killed are still in it. All were started as often here; processes of several machines need not have been.
        store = PrefixStore(f"start {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size)
