"""What `trainer try-on` writes: photographs, square images, and a contact sheet."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from common.atomic import write_atomically
from common.errors import writing
from train.data.shards import Pixels
from train.inference.cascade import Overrides, TrainedStage
from train.inference.contact_sheet import contact_sheet
from train.inference.outfits.in_turn import Dressed
from train.inference.outfits.wearing import Prepared
from train.inference.sampling import PHOTOGRAPHS, png_text, provenance

__all__ = ["PHOTOGRAPHS", "ResultWriter", "how_made"]


def how_made(
    prepared: Prepared, stages: Sequence[TrainedStage], seed: int, overrides: Overrides
) -> Mapping[str, str]:  # fmt: skip
    """Return whose photographs they are and how the image was made (``provenance``)."""
    request = prepared.request
    named = {
        "person": request.person.name,
        "garment": ", ".join(path.name for path in request.garments),
        "kind": ", ".join(prepared.kinds),
    }
    return named | provenance(stages, prepared.shards, seed, overrides)


_MOST_ROWS = 64
"""Garments on the contact sheet, so that any number of pairs fits the memory."""


@dataclass
class ResultWriter:
    """Writes the result of each request under a name of its own; the sheet comes last."""

    out: Path
    stages: Sequence[TrainedStage]
    seed: int
    overrides: Overrides
    names: list[str] = field(default_factory=list)
    """Of the files written, in `out` and in its folder `photographs`"""
    _rows: list[list[Pixels]] = field(default_factory=list)

    def write(self, prepared: Prepared, dressed: Dressed, stem: str) -> None:
        """Write the photograph and the square image. Raise UserError if that is impossible."""
        name = self._free(stem)
        text = png_text(how_made(prepared, self.stages, self.seed, self.overrides))
        square = io.BytesIO()
        Image.fromarray(dressed.square).save(square, "PNG", pnginfo=text)
        with writing(f"--out {self.out}"):
            (self.out / PHOTOGRAPHS).mkdir(parents=True, exist_ok=True)
            write_atomically(self.out / name, square.getvalue())
            write_atomically(self.out / PHOTOGRAPHS / name, dressed.photograph.png(text))
        for number, (outfit, images) in enumerate(zip(dressed.outfits, dressed.images, strict=True)):
            if len(self._rows) < _MOST_ROWS:
                self._rows.append([prepared.person(number)[1], outfit.Ia, outfit.Ic, *images])
        self.names.append(name)

    def write_sheet(self) -> Path:
        """Write a row for each garment that was dressed, 64 at most; return the sheet's path."""
        titles = ["person", "Ia", "Ic", *(f"{s.config.stage}, {s.config.size} px" for s in self.stages)]
        data = io.BytesIO()
        contact_sheet(titles, self._rows).save(data, "PNG")
        with writing(f"--out {self.out}"):
            write_atomically(self.out / "sheet.png", data.getvalue())
        return self.out / "sheet.png"

    def _free(self, stem: str) -> str:
        """Return a file name that none of this run's results has."""
        name, number = f"{stem}.png", 2
        while name in self.names:
            name, number = f"{stem}-{number}.png", number + 1
        return name
