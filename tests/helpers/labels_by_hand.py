"""Photographs whose true labels lie where `prep annotate` finds those that a person has made."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from schemas import JG, Garment, Sample
from train.data import ShardFolder
from train.inference.outfits.photographs import Labelled, PhotoPair, PhotoSet, Prep
from train.inference.sampling import Role
from train.serving import UploadedPhotographs


def label_by_hand(
    photographs: UploadedPhotographs, role: Role, kind: Garment, sent: Labelled, partner: Labelled
) -> None:
    """Label a photograph that is going to be sent to the page, beside the partner that it will get."""
    photograph = photographs.folder / "photograph.jpg"
    shutil.copy(sent.image, photograph)
    files = {role: photograph, "garment" if role == "person" else "person": partner.image}
    PhotoSet([PhotoPair(files["person"], files["garment"], kind)], photographs.folder).put_labels(sent, role)


def front_in_one_layer(data: ShardFolder, aihub: Path) -> int:
    """Return a sample as `prep annotate` would label it: it knows of one layer, and of a top no knees."""
    for place in range(len(data)):
        sample = data.sample(place)
        layered = b'"outer_' in (aihub / sample.person_parse.path).read_bytes()
        if sample.view == "front" and not layered and not data.pose(place, JG)[13:, 2].any():
            return place
    raise AssertionError("no such sample was drawn")


def labelled(sample: Sample, role: Role, aihub: Path) -> Labelled:
    """Return the picture of a sample's person or garment with its labels."""
    picture = sample.person if role == "person" else sample.product
    pose = sample.person_pose if role == "person" else sample.product_pose
    parse = sample.person_parse if role == "person" else sample.product_parse
    return Labelled(aihub / picture.path, aihub / pose.path, aihub / parse.path)


def recognise_labels(monkeypatch: pytest.MonkeyPatch, photographs: Mapping[Role, Sequence[Labelled]]) -> None:
    """Label by hand whatever is annotated in this process, recognised by its pixels, wherever it comes from."""
    known = {pixels(one.image): (role, one) for role, some in photographs.items() for one in some}
    annotate = PhotoSet.annotate

    def with_labels(self: PhotoSet, prep: Prep) -> None:
        for role in ("person", "garment"):
            for number, path in enumerate(dict.fromkeys(getattr(pair, role) for pair in self.pairs), 1):
                if (found := known.get(pixels(path))) is not None:
                    self.put_labels(found[1], found[0], number)
        annotate(self, prep)

    monkeypatch.setattr(PhotoSet, "annotate", with_labels)


def pixels(path: Path) -> bytes:
    """Return a digest of what a file shows, whatever its format and orientation; empty for no image."""
    try:
        with Image.open(path) as image:
            return hashlib.sha256(ImageOps.exif_transpose(image).convert("RGB").tobytes()).digest()
    except OSError:
        return b""


@dataclass(frozen=True)
class Wardrobe:
    """Drawn people and garments, with their true labels."""

    person: Labelled
    top: Labelled
    trousers: Labelled

    @classmethod
    def of(cls, aihub: Path) -> Wardrobe:
        """Return a person in one layer, seen from the front, and the first top and trousers of a drawn dataset."""
        rows = [row for path in sorted(aihub.rglob("winfo_*.json")) for row in json.loads(path.read_bytes())]
        single = [row for row in rows if row["inner_top"] is None and row["main_top"] and row["bottom"]]
        people = [row["wearing"].rpartition(".")[0] for row in single]
        return cls(
            _found(aihub, next(stem for stem in people if stem.endswith("_000"))),
            _found(aihub, f"{single[0]['main_top']}_F"),
            _found(aihub, f"{single[0]['bottom']}_F"),
        )

    def recognise(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Label them by hand wherever they are annotated in this process."""
        recognise_labels(monkeypatch, {"person": [self.person], "garment": [self.top, self.trousers]})


def _found(aihub: Path, stem: str) -> Labelled:
    pose, parse = (next(aihub.rglob(f"*-{leaf}/{stem}.json")) for leaf in ("Pose", "Parse"))
    return Labelled(next(aihub.rglob(f"*-Image/{stem}.jpg")), pose, parse)
