"""One sample: turns a record into the bytes of its members."""

from __future__ import annotations

import io
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from common.errors import UserError
from preprocess.conditioning import PersonSide, Subject, garment_side, person_side
from preprocess.conditioning.optional.extra_masks import extra_masks
from preprocess.conditioning.optional.filters import check_image, check_person
from preprocess.conditioning.regions import AnyParse
from preprocess.faults import Fault, RecordError
from preprocess.formats.aihub_json import Pose
from preprocess.formats.images import encode_as, encode_png
from preprocess.libraries import use_portable_code
from preprocess.loading.layer_check import check_layers
from preprocess.loading.subjects import load_person, load_product
from preprocess.sources import Files, Record
from schemas import (
    AGNOSTIC,
    EXTRA_MEMBERS,
    GARMENT,
    JG,
    JP,
    META,
    NUM_KEYPOINTS,
    PERSON,
    PERSON_256,
    Annotation,
    Configuration,
    Crop,
    Reject,
    Sample,
    Source,
    SourceImage,
    stored_name,
)

_PEOPLE, _GARMENTS = 4, 24
"""Cache sizes; each person or garment has two entries, its image and its side of the tuple, of at most 4 MB.

A person's records are consecutive. A garment is worn in several frames of a look, and in neighbouring looks too.
"""

_DETAIL = 300
"""Maximum characters of an unexpected error's text."""

T = TypeVar("T")


@dataclass(frozen=True)
class Members:
    """A sample and the bytes of its members, by extension."""

    sample: Sample
    members: dict[str, bytes]


@dataclass(frozen=True)
class _PersonMembers:
    """The person's encoded members, and its side of the tuple."""

    side: PersonSide
    members: dict[str, bytes]


@dataclass(frozen=True)
class _GarmentMembers:
    """The garment's encoded members, and its crop."""

    crop: Crop
    members: dict[str, bytes]


def make_samples(
    files: Files, records: Sequence[Record], configuration: Configuration
) -> Iterator[Members | Reject]:  # fmt: skip
    """Make every record's sample, in order; neighbouring records share decoded, computed and encoded results."""
    use_portable_code()
    people, garments = _Recent(_PEOPLE), _Recent(_GARMENTS)
    for record in records:
        try:
            yield _make(files, record, configuration, people, garments)
        except RecordError as error:
            yield Reject(key=record.key, reason=error.reason.value, path=error.path, detail=error.detail)


def _loaded(path: str, load: Callable[[], Subject]) -> Subject:
    """Load a person or a product; an unexpected error while reading its files rejects this record alone.

    One bad file must not end the build. Errors in later computation are bugs, and end it. Raise RecordError.
    """
    try:
        return load()
    except (RecordError, UserError, MemoryError):
        raise
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        detail = f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno}); please report it"
        raise RecordError(Fault.UNEXPECTED_ERROR, path, " ".join(detail.split())[:_DETAIL]) from error


class _Recent:
    """An LRU cache of results and RecordErrors."""

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._results: OrderedDict[tuple[str, ...], Any] = OrderedDict()

    def get(self, key: tuple[str, ...], make: Callable[[], T]) -> T:
        """Return the result of ``make`` for the key. If it raised RecordError, raise that each time."""
        if key not in self._results:
            try:
                self._results[key] = make()
            except RecordError as error:
                self._results[key] = error
            while len(self._results) > self._max_entries:
                self._results.popitem(last=False)
        self._results.move_to_end(key)
        result: T | RecordError = self._results[key]
        if isinstance(result, RecordError):
            raise RecordError(result.reason, result.path, result.detail)
        return result


def _make(
    files: Files, record: Record, configuration: Configuration, people: _Recent, garments: _Recent
) -> Members:  # fmt: skip
    person_id = record.person_image, record.look, record.frame
    product_id = record.product_image, record.item, record.side, record.pairing
    size = configuration.garment_size
    only = None if configuration.garment == "all" else configuration.garment
    person = people.get(person_id, lambda: _loaded(record.person_image, lambda: load_person(files, record, only)))
    product = garments.get(product_id, lambda: _loaded(record.product_image, lambda: load_product(files, record, size)))
    person_key = (*person_id, record.garment, *([] if record.worn else ["for inference"]))
    left = people.get(person_key, lambda: _person_members(person, record, configuration))
    if record.worn:
        check_layers(files, person, left.side, product, record)
    right = garments.get((*product_id, record.garment), lambda: _garment_members(product, record, configuration))
    sample = _describe(record, configuration.source, person, left.side, product, right.crop)
    return Members(sample, {**left.members, **right.members, META: sample.model_dump_json().encode()})


def _person_members(person: Subject, record: Record, configuration: Configuration) -> _PersonMembers:
    check_image(person, record.person_image, configuration.filters)
    side = person_side(person, record.garment, target_size=configuration.target_size, worn=record.worn)
    check_person(person, side, record.person_image, configuration.filters)
    image_format, quality = configuration.image_format, configuration.jpeg_quality
    extras = extra_masks(person, side, record.garment, configuration.extras)
    return _PersonMembers(
        side,
        {
            stored_name(PERSON, image_format): encode_as(image_format, side.Ip, quality),
            stored_name(PERSON_256, image_format): encode_as(image_format, side.Ip_256, quality),
            AGNOSTIC: encode_png(side.Ia),
            JP: _npy(side.Jp),
            **{EXTRA_MEMBERS[extra]: encode_png(mask) for extra, mask in extras.items()},
        },
    )


def _garment_members(product: Subject, record: Record, configuration: Configuration) -> _GarmentMembers:
    check_image(product, record.product_image, configuration.filters)
    side = garment_side(
        product, record.garment, record.pairing, linings=configuration.linings, size=configuration.garment_size
    )
    return _GarmentMembers(side.crop, {GARMENT: encode_png(side.Ic), JG: _npy(side.Jg)})


def _annotation(labels: Pose | AnyParse, path: str, derived_from: str = "") -> Annotation:
    """Return the provenance of an annotation: its file, or if there is none, the file it was derived from."""
    return Annotation(path=path, origin=labels.origin) if path else Annotation(path=derived_from, origin="derived")


def _describe(
    record: Record, source: Source, person: Subject, side: PersonSide, product: Subject, product_crop: Crop
) -> Sample:
    def source_image(path: str, subject: Subject, crop: Crop) -> SourceImage:
        width, height = subject.size
        return SourceImage(path=path, width=width, height=height, crop=crop)

    product_parse = _annotation(product.parse, record.product_parse, record.product_image)
    return Sample(
        key=record.key,
        source=source,
        split=record.split,
        garment=record.garment,
        view=record.view if record.labels == "aihub" and not record.layout else person.pose.view or record.view,
        pairing=record.pairing,
        look=record.look,
        frame=record.frame,
        item=f"{record.item}_{record.side}" if record.pairing == "item" else record.item,
        person=source_image(record.person_image, person, side.crop),
        product=source_image(record.product_image, product, product_crop),
        person_pose=_annotation(person.pose, record.person_pose),
        person_parse=_annotation(person.parse, record.person_parse),
        product_pose=_annotation(product.pose, record.product_pose, product_parse.path),
        product_parse=product_parse,
        worn=record.worn,
        repaired=tuple(fault.value for fault in dict.fromkeys((*person.faults, *side.faults, *product.faults))),
    )


@cache
def _npy_header() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.empty((NUM_KEYPOINTS, 3), np.float32), allow_pickle=False)
    return buffer.getvalue()[: -NUM_KEYPOINTS * 3 * 4]


def _npy(pose: NDArray[np.float32]) -> bytes:
    """Return the bytes that np.save writes for a pose (17, 3), with a cached header."""
    return _npy_header() + pose.tobytes()
