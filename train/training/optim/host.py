"""Marks tensors that are kept in host memory while the network is on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

HOST = torch.device("cpu")

_inside: ContextVar[bool] = ContextVar("host memory", default=False)


@contextmanager
def host_memory() -> Iterator[torch.device]:
    """Yield the device to create tensors on; `trainer plan`, which traces on one device, counts them separately."""
    token = _inside.set(True)
    try:
        yield HOST
    finally:
        _inside.reset(token)


def in_host_memory() -> bool:
    """Return whether the caller runs inside ``host_memory``."""
    return _inside.get()
