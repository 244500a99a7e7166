"""The range of a seed."""

from __future__ import annotations

from typing import Final

MAX_SEED: Final = 2**63 - 1
"""The largest seed: NumPy's and torch's generators take it as it is; NumPy rounds larger ones or refuses them."""
