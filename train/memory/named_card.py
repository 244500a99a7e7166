"""The GPU named on the command line of `trainer plan`."""

from __future__ import annotations

import re

import torch

from common.errors import UserError
from train.hardware.cards import Card, card_of
from train.memory.search import CONTEXT, WORKSPACES, budget_of

_UNITS = {"mib": 1 << 20, "mb": 10**6, "gib": 1 << 30, "gb": 10**9}


def parse_memory(text: str) -> int:
    """Return the bytes of "16GiB", "16 GB" or "15900MiB". Raise UserError for anything else, or for too little."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MG]i?B)", text.strip(), re.IGNORECASE)
    if match is None:
        raise UserError(f"--memory {text}: give a number and a unit, as in 16GiB, 24GB or 15900MiB")
    size = int(float(match[1]) * _UNITS[match[2].lower()])
    if budget_of(size) <= 0:
        taken = (CONTEXT + WORKSPACES) >> 20
        raise UserError(f"--memory {text}: CUDA itself takes {taken} MiB of it; give more than that")
    return size


def planned_card(memory: str) -> Card:
    """Return a card with memory such as "16GiB", or for "auto" this machine's, with its free memory.

    Raise UserError as ``parse_memory`` does, and for "auto" if there is no GPU.
    """
    if memory != "auto":
        return Card(memory, parse_memory(memory), True, {})
    card = card_of(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    if card is None:
        raise UserError("--memory auto: no card on this machine; give its size, as in 16GiB, or --card")
    return card
