"""What records share is decoded, computed and encoded once."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from configurations import CONFIGURATION

from preprocess.planning.pairing import records
from preprocess.sharding.sample import Members, make_samples
from preprocess.sources import Files, Record
from preprocess.sources.aihub import open_aihub


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each file is read."""
    counts: Counter[str] = Counter()
    original = Files.read

    def counted(files: Files, path: str) -> bytes:
        counts[path] += 1
        return original(files, path)

    monkeypatch.setattr(Files, "read", counted)
    return counts


def first(root: Path) -> Record:
    return next(iter(records(open_aihub(Files(root)), "upper")))


def test_a_garment_of_many_people_is_decoded_once(aihub: Path, read: Counter[str]) -> None:
    record = first(aihub)
    people = [replace(record, frame=f"{number:03}") for number in range(8)]
    read.clear()
    made = list(make_samples(Files(aihub), people, CONFIGURATION))
    assert all(isinstance(one, Members) for one in made)
    assert read[record.product_image] == read[record.product_pose] == read[record.product_parse] == 1
    assert read[record.person_image] == 8


def test_a_person_in_many_garments_is_decoded_once(aihub: Path, read: Counter[str]) -> None:
    record = first(aihub)
    garments = [replace(record, item=f"1008{number:03}") for number in range(40)]
    read.clear()
    made = list(make_samples(Files(aihub), garments, CONFIGURATION))
    assert all(isinstance(one, Members) for one in made)
    assert read[record.person_image] == read[record.person_pose] == read[record.person_parse] == 1
    assert read[record.product_image] == 40
