"""An error that no rule foresees rejects its record by name; the others are built."""

from pathlib import Path

import pytest

from preprocess.loading.subjects import load_person
from preprocess.planning.pairing import records
from preprocess.sharding import sample
from preprocess.sharding.sample import Members, make_samples
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub
from schemas import Configuration, Reject

CONFIGURATION = Configuration(
    source="aihub", garment="upper", pairing="item", views="matching", linings=False, target_size=1024,
    conditioning_size=256, jpeg_quality=95,
)  # fmt: skip


def test_one_record_does_not_end_the_build(aihub: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    def fails_once(files: Files, record: object, only: object = None) -> object:
        if "A001" in record.look:  # type: ignore[attr-defined]
            raise TypeError("an EXIF value\nof some type")
        return load_person(files, record, only)  # type: ignore[arg-type]

    monkeypatch.setattr(sample, "load_person", fails_once)
    files = Files(aihub)
    first, second = make_samples(files, list(records(open_aihub(files), "upper")), CONFIGURATION)
    assert isinstance(first, Reject)
    assert first.reason == "unexpected-error"
    assert first.path.endswith("1008_A001_000.jpg")
    assert first.detail.startswith("TypeError: an EXIF value of some type (test_unexpected_errors.py:")
    assert isinstance(second, Members)
