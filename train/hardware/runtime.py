"""Settings of the C library and of OpenMP that have to be made before torch and numpy are imported.

Import this first. Both were measured on a 2-core machine: glibc otherwise gives large blocks back to the kernel
after every use (a training step takes 1.3 times as long). OpenMP's threads otherwise spin for milliseconds while they
wait, which beside any other busy process slows torch down many times over; not spinning at all costs a small network
half its speed. A few thousand spins bridge the gap between two layers and no more (table in docs/training.md). On a
card, segments that can grow lose less memory to gaps, of which `trainer plan` allows few.
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
