"""Settings of the C library, OpenMP and the CUDA allocator, to be made before torch and numpy are imported.

Import this first. Measured on a 2-core machine: by default, glibc returns large blocks to the kernel after every use,
and a training step takes 1.3 times as long. By default, OpenMP threads spin for milliseconds while they wait, which
slows torch down many times over as soon as another process is busy; without spinning, a small network runs at half the
speed. A few thousand spins just bridge the gap between two layers (docs/design/decisions.md). On a GPU,
expandable segments reduce fragmentation, for which `trainer plan` leaves little room.
"""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


def _prepare() -> None:
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "6000")
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # musl has none
        mallopt(_M_MMAP_THRESHOLD, 1 << 25)
        mallopt(_M_TRIM_THRESHOLD, 1 << 30)
        mallopt(_M_TOP_PAD, 1 << 26)


_prepare()
