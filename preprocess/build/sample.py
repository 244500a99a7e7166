"""One sample: the members that a record becomes, as bytes."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.conditioning import Conditions, Subject, condition, load_person, load_product
from preprocess.faults import RecordError
from preprocess.pictures import encode_jpeg, encode_png
from preprocess.sources import Files, Record
from schemas import (
    AGNOSTIC,
    GARMENT,
    JG,
    JP,
    META,
    PERSON,
    PERSON_256,
    Annotation,
    Configuration,
    Picture,
    Reject,
    Sample,
)

_HELD = 8
"""Decoded pictures kept, of about 3 MB each."""


@dataclass(frozen=True)
class Members:
    """A sample and the bytes of each of its members, by their ending."""

    sample: Sample
    members: dict[str, bytes]


def make_samples(
    files: Files, records: Sequence[Record], configuration: Configuration
) -> Iterator[Members | Reject]:  # fmt: skip
    """Make every record's sample, in order; a picture that neighbouring records share is decoded once."""
    subjects = _Subjects(files)
    for record in records:
        try:
            person = subjects.get(record.person_image, record, load_person)
            product = subjects.get(record.product_image, record, load_product)
            yield _make(files, record, person, product, configuration)
        except RecordError as error:
            yield _reject(record, error)


class _Subjects:
    """The last few decoded pictures: a look's frames and its garments."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._held: OrderedDict[str, Subject | RecordError] = OrderedDict()

    def get(self, path: str, record: Record, load: Callable[[Files, Record], Subject]) -> Subject:
        """Return the subject whose picture is ``path``. Raise RecordError, each time, where it cannot be used."""
        found = self._held.get(path) if path else None
        if found is None:
            try:
                found = load(self._files, record)
            except RecordError as error:
                found = error
            self._held[path] = found
            while len(self._held) > _HELD:
                self._held.popitem(last=False)
        if isinstance(found, RecordError):
            raise found
        return found


def _make(
    files: Files, record: Record, person: Subject, product: Subject, configuration: Configuration
) -> Members:  # fmt: skip
    made = condition(files, person, product, record, linings=configuration.linings)
    sample = _describe(record, person, product, made)
    members = {
        PERSON: encode_jpeg(made.Ip, configuration.jpeg_quality),
        PERSON_256: encode_jpeg(made.Ip_256, configuration.jpeg_quality),
        AGNOSTIC: encode_png(made.Ia),
        GARMENT: encode_png(made.Ic),
        JP: _npy(made.Jp),
        JG: _npy(made.Jg),
        META: sample.model_dump_json().encode(),
    }
    return Members(sample, members)


def _describe(record: Record, person: Subject, product: Subject, made: Conditions) -> Sample:
    def picture(path: str, subject: Subject, product: bool) -> Picture:
        width, height = subject.size
        return Picture(path=path, width=width, height=height, crop=made.product_crop if product else made.person_crop)

    def annotated(path: str) -> Annotation:
        return Annotation(path=path, origin="annotated")

    return Sample(
        key=record.key,
        source="aihub",
        split=record.split,
        garment=record.garment,
        view=record.view,
        pairing=record.pairing,
        look=record.look,
        frame=record.frame,
        item=f"{record.item}_{record.side}" if record.pairing == "item" else record.item,
        person=picture(record.person_image, person, product=False),
        product=picture(record.product_image, product, product=True),
        person_pose=annotated(record.person_pose),
        person_parse=annotated(record.person_parse),
        product_pose=annotated(record.product_pose),
        product_parse=annotated(record.product_parse),
        mended=tuple(dict.fromkeys((*person.mended, *product.mended))),
    )


def _reject(record: Record, error: RecordError) -> Reject:
    return Reject(key=record.key, reason=error.reason, path=error.path, detail=error.detail)


def _npy(pose: NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, pose, allow_pickle=False)
    return buffer.getvalue()
