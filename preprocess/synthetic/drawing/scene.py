"""Shared state of the painters of an image: the canvas, the view, the joints, and the region numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from preprocess.synthetic.drawing.annotated import Subject, region
from preprocess.synthetic.drawing.canvas import Canvas
from preprocess.synthetic.drawing.view import View
from preprocess.synthetic.people.skeleton import Limb, Side, Skeleton

if TYPE_CHECKING:
    from preprocess.synthetic.garments.drape import Drape


@dataclass(frozen=True)
class Scene:
    """An image being drawn; painters add layers to its canvas."""

    canvas: Canvas
    view: View
    bones: Skeleton
    subject: Subject
    salt: tuple[int, ...] | None = None
    """What the folds of clothes are derived from in the varied set; None draws the easy set's"""
    folds: float = 1.0
    """Strength of these folds"""
    drapes: dict[tuple[str, int], Drape] = field(default_factory=dict)
    """Folds that were painted, by part and garment; filled by painters"""

    def label(self, name: str) -> int:
        """Return the number of a region of this image."""
        return region(name, self.subject)

    def depth(self, limb: Limb) -> float:
        """Return the depth of a limb's lower half towards the camera, pixels."""
        return (self.view.screen(limb.middle)[2] + self.view.screen(limb.end)[2]) / 2

    def far_to_near(self, limbs: dict[Side, Limb]) -> list[Side]:
        """Return the sides of a pair of limbs, the farther first."""
        return sorted(limbs, key=lambda side: self.depth(limbs[side]))
