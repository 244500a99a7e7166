"""What makes a sample doubtful."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from preprocess.faults import Fault
from preprocess.inspection.page.doubts import doubts_of, meaning
from preprocess.inspection.page.entry import Entry

SOUND = Entry(
    key="k", shard="train-000000.tar", split="train", garment="upper", view="front", pairing="item",
    person_path="p.jpg", product_path="g.jpg", person_crop=256, product_crop=128, person_size=600, beyond=1 / 3,
    hidden=0.3, shown=0.4, jp=0x1FFF, jg=0xF, estimated=False, repaired=(),
)  # fmt: skip


def test_a_sound_sample_has_no_doubt() -> None:
    assert doubts_of(SOUND, leaks=False) == ()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"estimated": True}, "estimated"),
        ({"jp": 0x1FFF & ~(1 << 5)}, "torso unknown"),
        ({"jp": 0x1FFF & ~(1 << 12)}, "torso unknown"),
        ({"jg": 0x7}, "few landmarks"),
        ({"jg": 0x1, "pairing": "view"}, "few landmarks"),
        ({"person_crop": 255}, "small person"),
        ({"product_crop": 127}, "small garment"),
        ({"beyond": 0.34}, "beyond the edge"),
        ({"hidden": 0.04}, "little hidden"),
        ({"hidden": 0.71}, "much hidden"),
        ({"shown": 0.09}, "little garment"),
        ({"repaired": ("turned-image",)}, "repaired: turned-image"),
    ],
)
def test_each_doubt_is_found_alone(change: dict[str, Any], name: str) -> None:
    assert doubts_of(replace(SOUND, **change), leaks=False) == (name,)
    assert meaning(name)


def test_a_worn_garment_needs_fewer_points_than_a_product() -> None:
    assert doubts_of(replace(SOUND, jg=0x3, pairing="view"), leaks=False) == ()


def test_a_leak_comes_first() -> None:
    assert doubts_of(replace(SOUND, jg=0), leaks=True) == ("leak", "few landmarks")


def test_a_repaired_fault_is_explained_as_by_inspect() -> None:
    assert meaning("repaired: swapped-sides") == Fault.SWAPPED_SIDES.meaning
    assert meaning("repaired: something new") == "a fault in the source data, unknown to this version"
