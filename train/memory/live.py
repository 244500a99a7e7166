"""Exact live tensor memory: a dispatch mode that tracks every storage."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from train.training.optim.host import in_host_memory


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all storages returned by operators until they are freed.

    Storages created inside ``host_memory`` count as host memory. Below FakeTensorMode nothing is computed, so a
    number read from a tensor (the loss, whether a norm is finite) is 1. Views and in-place results share a storage
    and count once. Temporary memory inside a kernel is not counted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.device = 0
        """Bytes that live on the device now."""
        self.host = 0
        """Bytes that live on the host now."""
        self.device_peak = 0
        """Peak bytes on the device."""
        self.total_peak = 0
        """Peak bytes on both together: what a run on a CPU takes."""
        self._known: dict[int, weakref.ref[torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operator and track the storages it returns."""
        if func is torch.ops.aten._local_scalar_dense.default:
            return 1
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        return result

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, traceback)  # type: ignore[no-untyped-call]
        self._known.clear()

    def __enter__(self) -> Self:
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def _note(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key in self._known:
            return
        size, on_host = storage.nbytes(), in_host_memory()
        self._known[key] = weakref.ref(storage, self._forget(key, size, on_host))
        self._add(size, on_host)
        self.device_peak = max(self.device_peak, self.device)
        self.total_peak = max(self.total_peak, self.device + self.host)

    def _forget(self, key: int, size: int, on_host: bool) -> Callable[[object], None]:
        def forget(_storage: object) -> None:
            del self._known[key]
            self._add(-size, on_host)

        return forget

    def _add(self, size: int, on_host: bool) -> None:
        if on_host:
            self.host += size
        else:
            self.device += size
