"""The rank of this process, from torchrun's environment; imports no torch."""

from __future__ import annotations

import os


def is_main() -> bool:
    """Return whether this is rank 0 or the only process; valid before the process group is initialised."""
    return os.environ.get("RANK", "0") == "0"
