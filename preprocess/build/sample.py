"""One sample: the members that a record becomes, as bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

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


@dataclass(frozen=True)
class Members:
    """A sample and the bytes of each of its members, by their ending."""

    sample: Sample
    members: dict[str, bytes]


def make_samples(
    files: Files, records: Sequence[Record], configuration: Configuration
) -> Iterator[Members | Reject]:  # fmt: skip
    """Make every record's sample, in order; a person that neighbouring records share is decoded once."""
    for _, group in groupby(records, key=lambda record: (record.person_image, record.look, record.frame)):
        shared = list(group)
        try:
            person = load_person(files, shared[0])
        except RecordError as error:
            yield from (_reject(record, error) for record in shared)
            continue
        for record in shared:
            try:
                yield _make(record, person, load_product(files, record), configuration)
            except RecordError as error:
                yield _reject(record, error)


def _make(record: Record, person: Subject, product: Subject, configuration: Configuration) -> Members:
    made = condition(person, product, record)
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
        pairing="item",
        look=record.look,
        frame=record.frame,
        item=f"{record.item}_{record.side}",
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
