"""Which sample comes when: a pure function of (seed, epoch, position)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def order_at(seed: int, count: int, position: int) -> int:
    """Return which of ``count`` samples is the ``position``-th to be seen, counted over all epochs."""
    epoch, place = divmod(position, count)
    return int(_shuffled(seed, count, epoch)[place])


@lru_cache(maxsize=2)  # a batch may reach from one epoch into the next
def _shuffled(seed: int, count: int, epoch: int) -> NDArray[np.int64]:
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(count)
