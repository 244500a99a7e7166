"""Which samples are shown: never more than the bound, doubtful ones first, every kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from preprocess.inspection.page.choose import MOST_SAMPLES, choose
from preprocess.inspection.page.entry import Entry
from schemas import View

ENTRY = Entry(
    key="k", shard="train-000000.tar", split="train", garment="upper", view="front", pairing="item",
    person_path="p.jpg", product_path="g.jpg", person_crop=700, product_crop=500, person_size=600, beyond=0.0,
    hidden=0.3, shown=0.4, jp=0x1FFF, jg=0x1FE0, estimated=False, repaired=(),
)  # fmt: skip


def entries(count: int) -> list[Entry]:
    views: list[View] = ["front", "front", "front", "front", "back"]
    return [replace(ENTRY, key=f"k{number:06}", view=views[number % 5]) for number in range(count)]


def test_a_large_folder_is_bounded_and_a_small_one_shown_entirely() -> None:
    many = entries(20_000)
    chosen = choose(many, {})
    assert len(chosen.entries) == MOST_SAMPLES
    assert (chosen.doubtful, chosen.others, chosen.others_in_all) == (0, MOST_SAMPLES, 20_000)
    assert set(choose(many[:100], {}).entries) == set(many[:100])


def test_half_are_doubtful_and_sorted_by_number_of_doubts() -> None:
    many = entries(2_000)
    doubts = {entry.key: ("a",) for entry in many[:900]} | {many[7].key: ("a", "b"), many[8].key: ("b",)}
    chosen = choose(many, doubts)
    assert chosen.doubtful == MOST_SAMPLES // 2
    assert chosen.doubtful_in_all == 900
    first = chosen.entries[: chosen.doubtful]
    assert all(entry.key in doubts for entry in first)
    assert first[0] == many[7]
    assert many[8] in first, "a rare kind of doubt is not drowned by a common one"
    assert not any(entry.key in doubts for entry in chosen.entries[chosen.doubtful :])


def test_only_doubtful_samples_fill_the_page() -> None:
    many = entries(500)
    assert choose(many, {entry.key: ("a",) for entry in many}).doubtful == MOST_SAMPLES


def test_rare_views_are_shown_as_often_as_common_ones() -> None:
    chosen = choose(entries(2_000), {})
    assert Counter(entry.view for entry in chosen.entries) == {"front": 120, "back": 120}


def test_the_choice_is_deterministic() -> None:
    many = entries(1_000)
    assert choose(many, {}) == choose(many[::-1], {})
    assert {entry.key for entry in choose(many, {}).entries} != {entry.key for entry in many[:MOST_SAMPLES]}
