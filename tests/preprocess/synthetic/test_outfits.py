"""The plan of a set: who wears what."""

from __future__ import annotations

from collections import Counter

import pytest

from preprocess.synthetic.outfits import make_plan
from preprocess.synthetic.output import DrawnDataError


def test_smaller_plan_begins_the_larger() -> None:
    small, large = make_plan(30, 4), make_plan(90, 4)
    assert large.looks[:30] == small.looks
    assert list(large.items.items())[: len(small.items)] == list(small.items.items())
    assert make_plan(30, 5).looks != small.looks


def test_splits_share_neither_people_nor_garments() -> None:
    plan = make_plan(400, 0)
    people = {split: {look.person for look in plan.looks if look.split == split} for split in ("train", "val")}
    worn = {split: {i for look in plan.looks if look.split == split for i in look.items} for split in ("train", "val")}
    seeds = {split: {plan.items[item].seed for item in worn[split]} for split in worn}
    assert not people["train"] & people["val"]
    assert not worn["train"] & worn["val"]
    assert not seeds["train"] & seeds["val"]
    assert 0.15 < len(people["val"]) / 400 < 0.25


def test_garments_are_worn_once_to_thrice_by_different_people() -> None:
    plan = make_plan(300, 1)
    times = Counter(item for look in plan.looks for item in look.items)
    assert set(times.values()) == {1, 2, 3}
    assert set(times) == set(plan.items)
    assert len({look.person for look in plan.looks}) == 300


def test_ids_have_the_formats_shape_and_are_unique() -> None:
    plan = make_plan(2500, 0)
    assert len({look.id for look in plan.looks}) == 2500
    assert all(len(item) == 7 and item.isdigit() for item in plan.items)
    assert plan.looks[0].id == "1001_A001"
    assert plan.looks[999].id == "1001_B001"


def test_rows_of_winfo() -> None:
    plan = make_plan(120, 0)
    for look in plan.looks:
        row = plan.wearing(look)
        kinds = {slot: plan.items[item].kind for slot, item in row.items() if item in plan.items}
        assert row["wearing"] == f"{look.id}_000.jpg"
        assert row["hat"] is None
        assert row["shoes"] is None
        assert kinds["main_top"] in ("top", "dress", "outer")
        assert ("bottom" not in kinds) == (kinds["main_top"] == "dress")
        assert ("inner_top" in kinds) == (kinds["main_top"] == "outer")
        assert {item for item in row.values() if item in plan.items} == set(look.items)


@pytest.mark.parametrize(("looks", "seed", "message"), [(0, 0, "looks: 0"), (100_001, 0, "looks"), (5, -1, "seed: -1")])
def test_invalid_numbers_are_refused(looks: int, seed: int, message: str) -> None:
    with pytest.raises(DrawnDataError, match=message):
        make_plan(looks, seed)
