"""A card's memory as a person writes it."""

from __future__ import annotations

import re

from schemas import UserError
from train.plan.search import RESERVE

_UNITS = {"mib": 1 << 20, "mb": 10**6, "gib": 1 << 30, "gb": 10**9}


def parse_memory(text: str) -> int:
    """Return the bytes of "16GiB", "16 GB" or "15900MiB". Raise UserError for anything else, or for too little."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MG]i?B)", text.strip(), re.IGNORECASE)
    if found is None:
        raise UserError(f"--memory {text}: give a number and a unit, as in 16GiB, 24GB or 15900MiB")
    size = int(float(found[1]) * _UNITS[found[2].lower()])
    if size <= RESERVE:
        raise UserError(f"--memory {text}: {RESERVE >> 20} MiB of it are left to CUDA itself; give more than that")
    return size
