"""Which of the processes that train together this one is, as torchrun's environment says it; imports no torch."""

from __future__ import annotations

import os


def is_main() -> bool:
    """Return whether this is rank 0, or a process that trains alone; known before the process group is joined."""
    return os.environ.get("RANK", "0") == "0"
