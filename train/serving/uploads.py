"""Uploaded photographs: `prep` estimates their labels and conditioning.

`prep` works on pairs of a person and a garment, so a photograph gets a partner: one of `prep`'s drawn looks with its
true labels, which is neither estimated nor shown.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from PIL import Image

from common.errors import UserError
from schemas import PERSON_256, Garment, Picture
from train.data import ShardFolder
from train.data.shards import Pixels
from train.inference.pasting.matching_crop import Placed, place
from train.inference.pasting.originals import decode_original
from train.inference.photographs import (
    Labelled,
    PrepError,
    TryOnRequest,
    annotate,
    build_shards_for,
    put_labels,
    run_prep,
    work_folder,
)
from train.inference.sampling import Conditioning, Role, read_conditioning
from train.serving.catalogue import Catalogue

State = Literal["checking", "ready", "off"]

MAX_BYTES: Final = 10 * 2**20
"""Maximum size of one photograph."""
_MAX_PIXELS: Final = 60_000_000
_SUFFIXES: Final = {
    "JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp", "AVIF": ".avif",
}  # fmt: skip
_PARTNER_LOOKS: Final = 12
"""Number of drawn looks, enough to include every kind of garment."""
_KEPT: Final = 16
"""Photographs whose (Ia, Jp) or (Ic, Jg) are cached, so that they are estimated once."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Estimated:
    """What `prep` made of a photograph: a half of c_tryon, and of a person the crop and its pixels."""

    conditioning: Conditioning
    person: Picture
    person_256: Pixels


class UploadedPhotographs:
    """Turns photographs into the person's or the garment's half of c_tryon; in a folder that `close` deletes.

    ``state`` is `checking` until `check` has tested if `prep`'s estimators work here; ``why`` is the reason if not.
    """

    def __init__(self, weights: Sequence[Path]) -> None:
        self.state: State = "checking"
        self.why = ""
        self._weights = tuple(weights)
        self.folder = Path(tempfile.mkdtemp(prefix="tryon-demo-"))
        self._partners: dict[Garment, dict[Role, Labelled]] = {}
        self._kept: OrderedDict[tuple[Role, Garment, str], _Estimated] = OrderedDict()

    def close(self) -> None:
        """Delete all photographs and derived files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def check(self, catalogue: Catalogue) -> None:
        """Annotate two catalogue images to test that packages and weights are installed."""
        try:
            self._try_estimators(catalogue)
            self._draw_partners()
            self.state = "ready"
        except (UserError, PrepError) as error:
            message = getattr(error, "last_line", "") or str(error)
            self.state, self.why = "off", message.removeprefix("prep: ")
        except Exception:
            _log.exception("preparing uploads failed")
            self.state, self.why = "off", "internal error; see the program's log"

    def conditioning(self, role: Role, kind: Garment, data: bytes) -> Conditioning:
        """Return (Ia, Jp) of the photograph of a person, or (Ic, Jg) of that of a garment.

        Raise UserError, to be shown to the sender, if it cannot be used.
        """
        return self._estimated(role, kind, data).conditioning

    def placed(self, kind: Garment, data: bytes) -> Placed:
        """Return the photograph of a person, and where its square lies in it. Raise UserError as `conditioning`."""
        estimated = self._estimated("person", kind, data)
        return place(decode_original(data, "the photograph of the person"), estimated.person, estimated.person_256)

    def _estimated(self, role: Role, kind: Garment, data: bytes) -> _Estimated:
        key = role, kind, hashlib.sha256(data).hexdigest()
        if key not in self._kept:
            self._kept[key] = self._estimate(role, kind, data)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _estimate(self, role: Role, kind: Garment, data: bytes) -> _Estimated:
        other: Role = "garment" if role == "person" else "person"
        partner = self._partners.get(kind, {}).get(other)
        if partner is None:
            raise UserError(f"there is no synthetic partner for the garment kind {kind}; choose one from the list")
        photograph = self.folder / f"photograph{suffix_of(data)}"
        photograph.write_bytes(data)
        files = {role: photograph, other: partner.image}
        request = TryOnRequest(files["person"], files["garment"], kind, self._weights)
        work = work_folder(request, self.folder)
        try:
            put_labels(partner, other, work / "annotated")
            shards = ShardFolder(build_shards_for(request, self.folder, quiet=True), "val")
            conditioning = read_conditioning(shards, role, 0)
            return _Estimated(conditioning, shards.sample(0).person, shards.image(0, PERSON_256))
        except (PrepError, UserError) as error:
            why = next(_reasons(work), "") or getattr(error, "last_line", "").removeprefix("prep: ") or str(error)
            raise UserError(f"the photograph of the {role} cannot be used: {why}") from error
        finally:
            photograph.unlink()
            shutil.rmtree(work, ignore_errors=True)

    def _try_estimators(self, catalogue: Catalogue) -> None:
        kind, offered = next(iter(catalogue.offered.items()))
        person, garment = self.folder / "person.jpg", self.folder / "garment.png"
        person.write_bytes(catalogue.thumbnail("person", offered.person[0].position)[0])
        garment.write_bytes(catalogue.thumbnail("garment", offered.garment[0].position)[0])
        try:
            annotate(TryOnRequest(person, garment, kind, self._weights), self.folder, quiet=True)
        except PrepError as error:
            if error.code != 1:  # 1: no pair could be annotated, which does not matter here
                raise

    def _draw_partners(self) -> None:
        drawn = self.folder / "drawn"
        run_prep(
            ["sample-data", "--out", str(drawn), "--looks", str(_PARTNER_LOOKS), "--workers", "1"], quiet=True
        )  # fmt: skip
        self._partners = find_partners(drawn)


def suffix_of(data: bytes) -> str:
    """Return the file name suffix of an image by its content. Raise UserError if it is not an image or is too large."""
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            suffix = _SUFFIXES[image.format or ""]
            pixels = image.width * image.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError("cannot read this file as an image; send a JPEG, PNG, WebP, AVIF or TIFF") from error
    if pixels > _MAX_PIXELS:
        raise UserError(
            f"the image has {pixels / 1e6:.0f} million pixels; the maximum is {_MAX_PIXELS / 1e6:.0f} million"
        )
    return suffix


def _formats() -> list[str]:
    """Return the formats that this Pillow reads; MPO is a JPEG followed by more images, opened as its first."""
    Image.init()
    return [name for name in _SUFFIXES if name in Image.OPEN]


def find_partners(drawn: Path) -> dict[Garment, dict[Role, Labelled]]:
    """Return for each kind of garment a drawn person who wears one as a single layer, and that garment."""
    files = {path.name: path for path in drawn.rglob("*") if path.is_file() and "Parse" not in path.parent.name}
    parses = {path.name: path for path in drawn.rglob("*.json") if "Parse" in path.parent.name}

    def labelled(stem: str) -> Labelled:
        return Labelled(files[f"{stem}.jpg"], files[f"{stem}.json"], parses[f"{stem}.json"])

    rows = [row for path in sorted(drawn.rglob("winfo_*.json")) for row in json.loads(path.read_bytes())]
    partners: dict[Garment, dict[Role, Labelled]] = {}
    for row in rows:
        for slot in ("main_top", "bottom"):
            if row[slot] is None or row["inner_top"] is not None:
                continue
            kind = _kind(json.loads(files[f"{row[slot]}_F.json"].read_bytes()))
            if kind is not None and kind not in partners:
                person = labelled(row["wearing"].rpartition(".")[0])
                partners[kind] = {"person": person, "garment": labelled(f"{row[slot]}_F")}
    return partners


def _kind(pose: dict[str, Any]) -> Garment | None:
    """Return the kind by a garment's landmarks; a dress has the category tops, and reaches to the knees."""
    if pose["category_name"] == "bottoms":
        return "lower"
    if pose["category_name"] != "tops":
        return None
    knees = pose["landmarks"][3 * 13 : 3 * 15]
    return "dress" if any(knees[2::3]) else "upper"


def _reasons(work: Path) -> Iterator[str]:
    """Yield why an image or the pair was rejected, from the files that `prep` wrote."""
    review, rejects = work / "annotated" / "review.csv", work / "shards" / "rejects.jsonl"
    if review.is_file():
        with review.open(encoding="utf-8", newline="") as file:
            yield from (row["why"] for row in csv.DictReader(file) if row["state"] == "rejected")
    if rejects.is_file():
        for line in rejects.read_text(encoding="utf-8").splitlines():
            reject = json.loads(line)
            yield f"{reject['reason']}: {reject['detail']}"
