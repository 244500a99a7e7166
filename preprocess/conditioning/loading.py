"""The person and the garment of a record: a picture each, decoded, with its pose and its parse."""

from __future__ import annotations

from collections.abc import Callable

from preprocess.annotations import read_item_parse, read_model_parse, read_pose
from preprocess.conditioning.crop import garment_crop
from preprocess.conditioning.mapped import load_mapped_person, load_mapped_product
from preprocess.conditioning.regions import AnyParse
from preprocess.conditioning.subject import Subject
from preprocess.faults import RecordError
from preprocess.pictures import decode
from preprocess.sources import Files, Record
from schemas import CONDITIONING_SIZE


def load_person(files: Files, record: Record) -> Subject:
    """Read and decode the person of a record. Raise RecordError."""
    if record.labels != "aihub":
        return load_mapped_person(files, record, record.labels)
    paths = (record.person_image, record.person_pose, record.person_parse)
    return _load(files, "person", f"{record.look}_{record.frame}", paths, read_model_parse)


def load_product(files: Files, record: Record) -> Subject:
    """Read and decode what the garment of a record is cut out of. Raise RecordError.

    A product photograph serves Ic alone, so it is decoded at a half or a quarter of its size, which is quicker, where
    the garment still is as large as Ic.
    """
    if record.labels != "aihub":
        return load_mapped_product(files, record, record.labels)
    paths = (record.product_image, record.product_pose, record.product_parse)
    if record.pairing == "view":
        return _load(files, "person", f"{record.look}_{record.side}", paths, read_model_parse)
    return _load(files, "product", f"{record.item}_{record.side}", paths, read_item_parse, _factor)


def _factor(parse: AnyParse) -> int:
    if parse.image_size is None:
        return 1
    try:
        crop = garment_crop(parse, None, parse.image_size)
    except ValueError:
        return 1  # `garment_side` says what is wrong
    assert crop is not None, "a parse has regions"
    return next((factor for factor in (4, 2) if crop.side >= factor * CONDITIONING_SIZE), 1)


def _load(
    files: Files,
    what: str,
    name: str,
    paths: tuple[str, str, str],
    read_parse: Callable[[bytes, str], AnyParse],
    factor_for: Callable[[AnyParse], int] = lambda _: 1,
) -> Subject:
    for path, part in zip(paths, ("image", "pose", "parse"), strict=True):
        if not path:
            raise RecordError(f"missing-{what}-{part}", name, f"the {what}'s {part} file is not in the data set")
    image_path, pose_path, parse_path = paths
    pose = read_pose(files.read(pose_path), pose_path)
    if not pose.points.any():
        raise RecordError(f"no-{what}-pose", pose_path, "all keypoints are absent; label the picture anew")
    parse = read_parse(files.read(parse_path), parse_path)
    factor = factor_for(parse)
    labelled_size = parse.image_size or pose.image_size
    pixels, turned = decode(files.read(image_path), image_path, labelled_size, factor)
    mended = [*pose.mended, *parse.mended, *(["turned-image"] if turned else [])]
    decoded = pixels.shape[1], pixels.shape[0]
    size = decoded if factor == 1 else labelled_size or decoded
    pose = pose.scaled(size)
    for labels, path in ((pose, pose_path), (parse, parse_path)):
        if labels.image_size is not None and not _same_size(labels.image_size, decoded, factor):
            found = decoded if factor == 1 else (factor * decoded[0], factor * decoded[1])
            raise RecordError("size-mismatch", path, f"labels are for {labels.image_size}, the picture is {found}")
    return Subject(pixels, size, factor, pose, parse, tuple(dict.fromkeys(mended)))


def _same_size(labelled: tuple[int, int], decoded: tuple[int, int], factor: int) -> bool:
    """Say whether a picture of the labelled size is decoded to this one; some decoders round up, others down."""
    return all(side // factor <= found <= -(-side // factor) for side, found in zip(labelled, decoded, strict=True))
