"""Which person is paired with which garment: from AI-Hub's files and wearing lists to Records.

Garments. The garments tried on are the outermost top of a look (`main_top`), its lower garment (`bottom`), or its
dress. A top listed beneath another one (`inner_top`) is not tried on: most of it is covered and would have to be
invented.

Pairings. "item": product photograph → person. "view": person → person among the frames of one look, the paper's own
setting: Ic is cut out of the other frame, Jg is that frame's body pose.

Views, by the side of the person that faces the camera. For pairs with a product photograph:

front      front views, with the product's front
matching   also back views, with a photograph of the product's back
all        every view; a side view gets the product's front, as does a back view if the product has no back image

For pairs of two frames: "front" predicts front views from neighbouring views, "matching" pairs all neighbours (front
and side, side and back: they share much of the visible cloth), "all" pairs every two frames in both directions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from preprocess.faults import Exclusion, RecordError
from preprocess.formats.aihub_json import Pose, read_model_parse, read_pose, read_view
from preprocess.sources.aihub import AIHub, Part, Requested
from preprocess.sources.files import Files
from preprocess.sources.record import UNWANTED_GARMENT, Product, Record
from schemas import Garment, Keypoint, Pairing, Split, View, Views

_NEIGHBOURS = {("front", "side"), ("side", "front"), ("side", "back"), ("back", "side")}
_TRIED_ON = ("main_top", "bottom")
_AS_LISTED = Requested(None, worn=True)
_UNWANTED_VIEW: dict[View, Exclusion] = {
    "side": Exclusion.SIDE_VIEW, "back": Exclusion.BACK_VIEW,
}  # fmt: skip


def records(
    data: AIHub,
    garment: Garment | Literal["all"],
    pairing: Pairing | Literal["both"] = "item",
    views: Views = "matching",
) -> Iterator[Record]:
    """Yield a record for every selected pair; pairs that the options exclude are counted in ``data.excluded``."""
    for split, part in data.parts.items():
        looks: dict[str, list[str]] = {}
        for look, frame in _frames(part):
            looks.setdefault(look, []).append(frame)
        for look, frames in looks.items():
            yield from _Look(data, split, part, look, frames).records(garment, pairing, views)


class _Look:
    """One person in one outfit, photographed in several frames."""

    def __init__(self, data: AIHub, split: Split, part: Part, look: str, frames: list[str]) -> None:
        self._data, self._split, self._part, self._look, self._frames = data, split, part, look, frames
        self._views: dict[str, View] = {
            frame: _view(data.files, part, f"{look}_{frame}", frame) for frame in frames
        }  # fmt: skip

    def records(
        self, garment: Garment | Literal["all"], pairing: Pairing | Literal["both"], views: Views
    ) -> Iterator[Record]:
        for frame in self._frames:
            stem = f"{self._look}_{frame}"
            worn = self._part.worn.get(stem) or self._part.worn_by_look.get(self._look, {})
            if "inner_top" in worn and garment in ("all", "upper"):
                self._data.excluded[Exclusion.INNER_LAYER] += 1
            for slot in _TRIED_ON:
                if slot not in worn:
                    continue
                requested = self._part.requested.get(stem, _AS_LISTED)
                kind = requested.kind or self._kind(slot, stem, worn)
                if garment not in ("all", kind):
                    self._data.excluded[UNWANTED_GARMENT[kind]] += 1
                    continue
                if pairing != "view":
                    yield from (
                        replace(record, worn=requested.worn)
                        for record in self._from_item(frame, slot, worn, kind, views)
                    )
                if pairing != "item" and requested.worn:
                    yield from self._from_views(frame, worn[slot], kind, views)

    def _kind(self, slot: str, stem: str, worn: dict[str, str]) -> Garment:
        return "lower" if slot == "bottom" else _kind_of_top(self._data.files, self._part, stem, worn)

    def _from_item(
        self, frame: str, slot: str, worn: dict[str, str], kind: Garment, views: Views
    ) -> Iterator[Record]:  # fmt: skip
        view, item = self._views[frame], worn[slot]
        back = self._part.path("item-image", f"{item}_B") if view == "back" else ""
        matches = view == "front" or (view == "back" and bool(back) and views != "front")
        if not matches and views != "all":
            self._data.excluded[_UNWANTED_VIEW[view]] += 1
            return
        beneath = worn.get("inner_top", "") if kind == "upper" else ""
        side: Literal["F", "B"] = "B" if back else "F"
        under = _product(self._part, beneath, "F") if beneath else None
        yield self._record(frame, item, kind, "item", side, _product(self._part, item, side), under)

    def _from_views(self, frame: str, item: str, kind: Garment, views: Views) -> Iterator[Record]:
        for other in self._frames:
            if other == frame:
                continue
            pair = self._views[frame], self._views[other]
            if views == "all" or (pair in _NEIGHBOURS and (views == "matching" or pair[0] == "front")):
                yield self._record(frame, item, kind, "view", other, _person(self._part, f"{self._look}_{other}"))
            else:
                self._data.excluded[Exclusion.DISTANT_VIEWS] += 1

    def _record(
        self, frame: str, item: str, kind: Garment, pairing: Pairing, side: str, product: Product,
        beneath: Product | None = None,
    ) -> Record:  # fmt: skip
        person = _person(self._part, f"{self._look}_{frame}")
        return Record(
            part=self._split,
            split=self._split,
            look=self._look,
            frame=frame,
            item=item,
            side=side,
            garment=kind,
            view=self._views[frame],
            pairing=pairing,
            person_image=person.image,
            person_pose=person.pose,
            person_parse=person.parse,
            product_image=product.image,
            product_pose=product.pose,
            product_parse=product.parse,
            beneath_image=beneath.image if beneath else "",
            beneath_parse=beneath.parse if beneath else "",
            layers=2 if beneath else 1,
            agnostic_mask=self._part.path("model-agnostic", f"{self._look}_{frame}"),
        )


def _person(part: Part, stem: str) -> Product:
    return Product(part.path("model-image", stem), part.path("model-pose", stem), part.path("model-parse", stem))


def _product(part: Part, item: str, side: Literal["F", "B"]) -> Product:
    stem = f"{item}_{side}"
    return Product(part.path("item-image", stem), part.path("item-pose", stem), part.path("item-parse", stem))


def _frames(part: Part) -> list[tuple[str, str]]:
    """List (look, frame) of every image and every listed pair, sorted."""
    stems = part.worn.keys() | part.files.get("model-image", {}).keys()
    pairs = (stem.rpartition("_") for stem in stems)
    return sorted((look, frame) for look, _, frame in pairs if look)


def _view(files: Files, part: Part, stem: str, frame: str) -> View:
    path = part.path("model-pose", stem)
    try:
        view = read_view(files.read(path)) if path else None
    except RecordError:
        view = None
    return view or ("front" if frame == "000" else "side")


def _kind_of_top(files: Files, part: Part, stem: str, worn: dict[str, str]) -> Garment:
    """Return whether a top is a dress: worn alone, with landmarks at the knee or below, without a lower garment."""
    if "bottom" in worn or "inner_top" in worn:
        return "upper"
    item = worn["main_top"]
    if item not in part.reaches_knee:
        landmarks = _quiet_pose(files, part.path("item-pose", f"{item}_F"))
        part.reaches_knee[item] = landmarks is not None and bool(landmarks.points[Keypoint.LEFT_KNEE :, 2].any())
    if not part.reaches_knee[item]:
        return "upper"
    path = part.path("model-parse", stem)
    try:
        data = files.read(path) if path else b""
    except RecordError:
        return "dress"
    # An outer layer with no other garment listed is a long coat.
    return "upper" if _names_one_of(data, path, ("pants", "outer")) else "dress"


def _names_one_of(data: bytes, path: str, starts: tuple[str, ...]) -> bool:
    """Return whether a Model-Parse file has a region whose name starts with one of ``starts``.

    Decoding all polygons of all files would dominate the time of planning. So if regions have names, as in all files of
    the dataset inspected so far, the text is searched for them.
    """
    if b'"category_name"' in data or b'"product_type"' in data:
        return any(f'"{start}_'.encode() in data for start in starts)
    try:
        return any(region.name.startswith(starts) for region in read_model_parse(data, path).regions)
    except RecordError:
        return False


def _quiet_pose(files: Files, path: str) -> Pose | None:
    """Read a pose for planning; its faults are reported when the record is built."""
    try:
        return read_pose(files.read(path), path) if path else None
    except RecordError:
        return None
