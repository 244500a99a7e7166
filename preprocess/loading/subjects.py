"""Loads the person and the garment of a record: each a decoded image with its pose and its parse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from preprocess.conditioning import Subject
from preprocess.conditioning.crop import garment_crop, person_crop
from preprocess.conditioning.regions import AnyParse
from preprocess.faults import Fault, RecordError
from preprocess.formats.aihub_json import Pose, read_item_parse, read_model_parse, read_pose
from preprocess.formats.images import Mask, Pixels, decode, decode_above
from preprocess.formats.stored_masks import read_stored_mask
from preprocess.loading.label_map_subjects import check_present, load_mapped_person, load_mapped_product
from preprocess.sources import Files, Record
from preprocess.sources.record import Subject as Kind
from preprocess.sources.tables.pair_table import is_json
from schemas import CONDITIONING_SIZE, Garment


class _Needed(NamedTuple):
    """The part of an image to decode: at one ``factor``-th of its size, the rows above ``bottom``, None for all."""

    factor: int = 1
    bottom: int | None = None


_ALL = _Needed()
_WHITE = 128
_NO_POSE: dict[Kind, Fault] = {"person": Fault.NO_PERSON_POSE, "product": Fault.NO_PRODUCT_POSE}
_Selector = Callable[[Pose, AnyParse, tuple[int, int]], _Needed]
"""Returns the needed part of an image by its annotations and its size."""


def load_person(files: Files, record: Record, only: Garment | None = None) -> Subject:
    """Read and decode the person of a record. Raise RecordError.

    If ``only`` one kind of garment is tried on, the rows below its crop are not decoded.
    """
    if record.labels != "aihub":
        return load_mapped_person(files, record, record.labels)

    def needed(pose: Pose, parse: AnyParse, size: tuple[int, int]) -> _Needed:
        if only is None:
            return _ALL
        crop = person_crop(pose.scaled(size), parse, only, size)
        return _Needed(bottom=crop.y + crop.side)

    paths = (record.person_image, record.person_pose, record.person_parse)
    person = _load(files, "person", f"{record.look}_{record.frame}", paths, read_model_parse, needed)
    return replace(person, hidden=_hidden(files, record, person.size)) if record.agnostic_mask else person


def _hidden(files: Files, record: Record, size: tuple[int, int]) -> Mask:
    """Return what Ia hides by a mask that was made by hand: white. Raise RecordError."""
    stored = read_stored_mask(files.read(record.agnostic_mask), record.agnostic_mask)
    if stored.size != size:
        raise RecordError(
            Fault.SIZE_MISMATCH, record.agnostic_mask, f"a mask of {stored.size}, the image is {size}; scale it"
        )
    hidden: Mask = stored.grey >= _WHITE
    return hidden


def load_product(files: Files, record: Record, size: int = CONDITIONING_SIZE) -> Subject:
    """Read and decode the image that the garment of a record is cut out of. Raise RecordError.

    A product photograph is only used for Ic. To save time it is decoded at a half or a quarter of its size if the
    garment is still as large as Ic, of ``size`` pixels, and the rows below the garment are skipped.
    """
    if _is_mapped(record):
        return load_mapped_product(files, record)
    paths = (record.product_image, record.product_pose, record.product_parse)
    if record.pairing == "view":
        return _load(files, "person", f"{record.look}_{record.side}", paths, read_model_parse)
    return _load(
        files, "product", f"{record.item}_{record.side}", paths, read_item_parse, partial(_of_product, side=size)
    )


def _is_mapped(record: Record) -> bool:
    """Return whether the garment has a mask, or none, instead of polygons and landmarks."""
    if record.layout == "table" and record.pairing == "item":
        return not is_json(record.product_parse)
    return record.labels != "aihub"


def _of_product(_: Pose, parse: AnyParse, size: tuple[int, int], side: int) -> _Needed:
    crop = garment_crop(parse, None, size)
    assert crop is not None, "a parse has regions"
    factor = next((factor for factor in (4, 2) if crop.side >= factor * side), 1)
    return _Needed(factor, crop.y + crop.side)


def _load(
    files: Files,
    what: Kind,
    name: str,
    paths: tuple[str, str, str],
    read_parse: Callable[[bytes, str], AnyParse],
    needed: _Selector = lambda *_: _ALL,
) -> Subject:
    image_path, pose_path, parse_path = paths
    check_present({"image": image_path, "pose": pose_path, "parse": parse_path}, what, name)
    pose = read_pose(files.read(pose_path), pose_path)
    if not pose.points.any():
        raise RecordError(_NO_POSE[what], pose_path, "all keypoints are absent; label the image again")
    parse = read_parse(files.read(parse_path), parse_path)
    labelled_size = parse.image_size or pose.image_size
    factor, bottom = _needed_part(needed, pose, parse)
    pixels, decoded, turned = _decoded(files.read(image_path), image_path, labelled_size, factor, bottom)
    faults = [*pose.faults, *parse.faults, *([Fault.TURNED_IMAGE] if turned else [])]
    size = decoded if factor == 1 else labelled_size or decoded
    pose = pose.scaled(size)
    for labels, path in ((pose, pose_path), (parse, parse_path)):
        if labels.image_size is not None and not _same_size(labels.image_size, decoded, factor):
            actual = decoded if factor == 1 else (factor * decoded[0], factor * decoded[1])
            raise RecordError(Fault.SIZE_MISMATCH, path, f"labels are for {labels.image_size}, the image is {actual}")
    return Subject(pixels, size, factor, pose, parse, parse_path, tuple(dict.fromkeys(faults)))


def _needed_part(needed: _Selector, pose: Pose, parse: AnyParse) -> _Needed:
    """Return the needed part: all if the labels give no size, or belong to another image (rejected later)."""
    if parse.image_size is None:
        return _ALL
    try:
        return needed(pose, parse, parse.image_size)
    except ValueError:
        return _ALL


def _decoded(
    data: bytes, path: str, labelled_size: tuple[int, int] | None, factor: int, bottom: int | None
) -> tuple[Pixels, tuple[int, int], bool]:  # fmt: skip
    """Return the pixels, (width, height) of the whole image at one ``factor``-th, and whether it was turned."""
    if bottom is not None and (upper := decode_above(data, bottom, labelled_size, factor)):
        return *upper, False
    pixels, turned = decode(data, path, labelled_size, factor)
    return pixels, (pixels.shape[1], pixels.shape[0]), turned


def _same_size(labelled: tuple[int, int], decoded: tuple[int, int], factor: int) -> bool:
    """Return whether an image of the labelled size decodes to this size; decoders may round up or down."""
    return all(side // factor <= actual <= -(-side // factor) for side, actual in zip(labelled, decoded, strict=True))
