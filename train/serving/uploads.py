"""Uploaded photographs: `prep` estimates their labels and conditioning.

`prep` works on pairs of a person and a garment, so a photograph gets a partner: one of `prep`'s drawn looks with its
true labels, which is neither estimated nor shown.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from common.errors import UserError
from schemas import PERSON_256, Garment, SourceImage
from train.data import ShardFolder
from train.data.shards import Pixels
from train.inference.outfits.photographs import Labelled, PhotoPair, PhotoSet, Prep, PrepError
from train.inference.pasting.matching_crop import Placed, place
from train.inference.pasting.originals import decode_original
from train.inference.pasting.person_regions import PersonRegions
from train.inference.pasting.source_images import SourceImages
from train.inference.pasting.whole import regions_of
from train.inference.sampling import Conditioning, Role, read_conditioning
from train.serving.catalogue import Catalogue
from train.serving.forms import FormLimits, image_suffix

State = Literal["checking", "ready", "off"]

LIMITS: Final = FormLimits()
"""Limits of the forms that the page sends."""
_PARTNER_LOOKS: Final = 12
"""Number of drawn looks, enough to include every kind of garment."""
_KEPT: Final = 16
"""Photographs whose (Ia, Jp) or (Ic, Jg) are cached, so that they are estimated once."""
_PROVISIONAL: Final[Garment] = "upper"
"""The kind that is assumed at first for a garment of unknown kind."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimated:
    """What `prep` made of a photograph: a half of c_tryon, and of a person the crop and its pixels."""

    conditioning: Conditioning
    person: SourceImage
    person_256: Pixels
    regions: PersonRegions | None
    kind: Garment
    """The kind of garment that the person gets, or that the photograph shows"""
    preview: bytes | None
    """A JPEG of the photograph beside its estimated labels, None if these were made by hand"""


class UploadedPhotographs:
    """Turns photographs into the person's or the garment's half of c_tryon; in a folder that `close` deletes.

    ``state`` is `checking` until `check` has tested if `prep`'s estimators work here; ``why`` is the reason if not.
    """

    def __init__(self, weights: Sequence[Path], options: Sequence[str] = ()) -> None:
        self.state: State = "checking"
        self.why = ""
        self._prep = Prep(tuple(weights), tuple(options), quiet=True)
        self.folder = Path(tempfile.mkdtemp(prefix="tryon-demo-"))
        self._partners: dict[Garment, dict[Role, Labelled]] = {}
        self._kept: OrderedDict[tuple[Role, Garment | None, str], Estimated] = OrderedDict()

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
            self.state, self.why = "off", _reason_of(error)
        except Exception:
            _log.exception("preparing uploads failed")
            self.state, self.why = "off", "internal error; see the program's log"

    def conditioning(self, role: Role, kind: Garment, data: bytes) -> Conditioning:
        """Return (Ia, Jp) of the photograph of a person, or (Ic, Jg) of that of a garment.

        Raise UserError, to be shown to the sender, if it cannot be used.
        """
        return self.estimated(role, kind, data).conditioning

    def placed(self, kind: Garment, data: bytes) -> Placed:
        """Return the photograph of a person, and where its square lies in it. Raise UserError as `conditioning`."""
        estimated = self.estimated("person", kind, data)
        placed = place(decode_original(data, "the photograph of the person"), estimated.person, estimated.person_256)
        return replace(placed, regions=estimated.regions)

    def estimated(
        self, role: Role, kind: Garment | None, data: bytes, check: Callable[[], None] = lambda: None
    ) -> Estimated:
        """Return what `prep` makes of a photograph; a garment's kind None is inferred from its outline.

        ``check`` is called while `prep` runs; an exception from it ends `prep`. Raise UserError as `conditioning`.
        """
        key = role, kind, hashlib.sha256(data).hexdigest()
        if key not in self._kept:
            found = self._estimate(role, kind, data, check)
            self._kept[key] = self._kept[role, found.kind, key[2]] = found
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    def _estimate(self, role: Role, kind: Garment | None, data: bytes, check: Callable[[], None]) -> Estimated:
        assumed = kind or _PROVISIONAL
        other: Role = "garment" if role == "person" else "person"
        partner = self._partners.get(assumed, {}).get(other)
        if partner is None:
            raise UserError(f"there is no synthetic partner for the garment kind {assumed}; choose one from the list")
        photograph = self.folder / f"photograph{image_suffix(io.BytesIO(data), LIMITS.pixels)}"
        photograph.write_bytes(data)
        files = {role: photograph, other: partner.image}
        pair = PhotoPair(files["person"], files["garment"], kind if role == "garment" else assumed)
        try:
            found = self._label(role, pair, partner, check)
        finally:
            photograph.unlink()
        if isinstance(found, Estimated):
            return found
        return self._estimate(role, found, data, check)  # a partner who wears the kind inferred from the outline

    def _label(self, role: Role, pair: PhotoPair, partner: Labelled, check: Callable[[], None]) -> Estimated | Garment:
        """Return what `prep` makes of a pair's photograph; its kind if the partner wears another one."""
        photograph: Path = getattr(pair, role)
        try:
            photos = PhotoSet([pair], self.folder)
        except UserError as error:
            raise UserError(_unusable(role, str(error).removeprefix(f"{photograph}: "))) from error
        try:
            photos.put_labels(partner, "garment" if role == "person" else "person")
            shards = ShardFolder(photos.build_shards(replace(self._prep, check=check)), "val")
            sample = shards.sample(0)
            return Estimated(
                read_conditioning(shards, role, 0), sample.person, shards.image(0, PERSON_256),
                regions_of(SourceImages(photos.annotated), sample), sample.garment, photos.preview(role, photograph),
            )  # fmt: skip
        except (PrepError, UserError) as error:
            assumed = pair.kind or _PROVISIONAL
            found = photos.kinds.get(pair.garment, assumed)
            if found == assumed:
                raise UserError(photos.why_rejected(pair) or _unusable(role, _reason_of(error))) from error
            return found
        finally:
            shutil.rmtree(photos.folder, ignore_errors=True)

    def _try_estimators(self, catalogue: Catalogue) -> None:
        kind, offered = next(iter(catalogue.offered.items()))
        person, garment = self.folder / "person.jpg", self.folder / "garment.png"
        person.write_bytes(catalogue.thumbnail("person", offered.person[0].position)[0])
        garment.write_bytes(catalogue.thumbnail("garment", offered.garment[0].position)[0])
        photos = PhotoSet([PhotoPair(person, garment, kind)], self.folder)
        try:
            photos.annotate(self._prep)
        except PrepError as error:
            if error.code != 1:  # 1: no pair could be annotated, which does not matter here
                raise
        finally:
            shutil.rmtree(photos.folder, ignore_errors=True)

    def _draw_partners(self) -> None:
        drawn = self.folder / "drawn"
        Prep(quiet=True).run(["sample-data", "--out", str(drawn), "--looks", str(_PARTNER_LOOKS), "--workers", "1"])
        self._partners = find_partners(drawn)


def _unusable(role: Role, why: str) -> str:
    return f"the photograph of the {role} cannot be used: {why}"


def _reason_of(error: PrepError | UserError) -> str:
    return error.why if isinstance(error, PrepError) else str(error)


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
            kind = garment_kind(json.loads(files[f"{row[slot]}_F.json"].read_bytes()))
            if kind is not None and kind not in partners:
                person = labelled(row["wearing"].rpartition(".")[0])
                partners[kind] = {"person": person, "garment": labelled(f"{row[slot]}_F")}
    return partners


def garment_kind(pose: dict[str, Any]) -> Garment | None:
    """Return the kind by a garment's landmarks; a dress has the category tops, and reaches to the knees."""
    if pose["category_name"] == "bottoms":
        return "lower"
    if pose["category_name"] != "tops":
        return None
    knees = pose["landmarks"][3 * 13 : 3 * 15]
    return "dress" if any(knees[2::3]) else "upper"
