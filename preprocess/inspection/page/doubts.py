"""Rules that mark a sample as doubtful: not known to be wrong (it would be rejected), but worth a look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from preprocess.faults import Fate, Fault
from preprocess.inspection.page.entry import Entry
from schemas import CONDITIONING_SIZE, TORSO

_LANDMARKS: Final = {"item": 4, "view": 2}
_BEYOND: Final = 1 / 3
_HIDDEN: Final = (0.05, 0.7)
_SHOWN: Final = 0.1

LEAK: Final = "leak"
_FATES: Final = tuple(f"{fate}: " for fate in (Fate.REPAIRED, Fate.NOTED))
"""Prefixes of doubts about the sources; the fault's code follows."""


@dataclass(frozen=True)
class Doubt:
    """A kind of doubt: a short name and its explanation."""

    name: str
    meaning: str


_RULES: Final[tuple[tuple[Doubt, Callable[[Entry], bool]], ...]] = (
    (Doubt("estimated", "a pose or a parse was estimated by a network"), lambda entry: entry.estimated),
    (
        Doubt("torso unknown", "Jp lacks a shoulder or a hip"),
        lambda entry: any(not entry.jp >> slot & 1 for slot in TORSO),
    ),
    (
        Doubt("few landmarks", "Jg has fewer than 4 known points (fewer than 2 for a worn garment)"),
        lambda entry: entry.jg.bit_count() < _LANDMARKS[entry.pairing],
    ),
    (
        Doubt("small person", f"the person's crop is under {CONDITIONING_SIZE} px: even the small Ip is upscaled"),
        lambda entry: entry.person_crop < CONDITIONING_SIZE,
    ),
    (
        Doubt("small garment", f"the garment's crop is under {CONDITIONING_SIZE // 2} px: Ic is upscaled over twofold"),
        lambda entry: entry.product_crop < CONDITIONING_SIZE // 2,
    ),
    (
        Doubt("beyond the edge", "more than a third of the person's crop lies outside the image"),
        lambda entry: entry.beyond > _BEYOND,
    ),
    (
        Doubt("little hidden", f"Ia hides less than {_HIDDEN[0]:.0%}: the worn garment may be visible"),
        lambda entry: entry.hidden < _HIDDEN[0],
    ),
    (
        Doubt("much hidden", f"Ia hides more than {_HIDDEN[1]:.0%}: little of the person is left"),
        lambda entry: entry.hidden > _HIDDEN[1],
    ),
    (
        Doubt("little garment", f"less than {_SHOWN:.0%} of Ic is garment"),
        lambda entry: entry.shown < _SHOWN,
    ),
)  # fmt: skip


def doubts_of(entry: Entry, leaks: bool) -> tuple[str, ...]:
    """Return the names of the doubts about a sample, gravest first; ``leaks``: whether it is part of a leak."""
    names = [LEAK] if leaks else []
    names += [doubt.name for doubt, holds in _RULES if holds(entry)]
    return (*names, *(_fault_name(code) for code in entry.repaired))


def meaning(name: str) -> str:
    """Return the explanation of a doubt, or of a reject's reason."""
    if name == LEAK:
        return "the sample, or a near-duplicate of its image, is in the other split too"
    if name.startswith(_FATES):
        fault = _fault(name.partition(": ")[2])
        return fault.meaning if fault else "a fault in the source data, unknown to this version"
    known = {doubt.name: doubt.meaning for doubt, _ in _RULES} | {str(fault): fault.meaning for fault in Fault}
    return known.get(name, "unknown to this version")


def _fault(code: str) -> Fault | None:
    """Return the fault of a code in a shard, None for a code of another version."""
    return next((fault for fault in Fault if fault == code), None)


def _fault_name(code: str) -> str:
    fault = _fault(code)
    return f"{fault.fate if fault else Fate.REPAIRED}: {code}"
