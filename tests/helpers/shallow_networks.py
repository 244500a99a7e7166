"""Settings that make the networks of the preset nano shallow, for tests of what depth does not change."""

from __future__ import annotations

_SHALLOW_TRYON = [
    "model.channels=[48,96]", "model.person_down=[1,1]", "model.garment_down=[1,1]", "model.garment_up=[1]",
    "model.attention_levels=[16]",
]  # fmt: skip
SHALLOW = {
    "base": _SHALLOW_TRYON,
    "sr256": _SHALLOW_TRYON,
    "sr1024": ["model.channels=[16,32]", "model.blocks=[1,1]"],
}  # fmt: skip
"""Two levels of nano's three: the same operators, called half as often."""
