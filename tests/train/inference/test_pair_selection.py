"""Choosing who is dressed in what, and what is said of a mistake."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from common.errors import UserError
from schemas import Garment, Sample
from train.data import ShardFolder
from train.inference.pair_selection import (
    ALL_BOUND,
    Pair,
    all_pairs,
    keyed_pairs,
    own_pairs,
    pairs_from_file,
    swapped_or_own_pairs,
    swapped_pairs,
)


class Kinds(ShardFolder):
    """Drawn shards of which only the first samples exist, with garments of these kinds, all seen from the front."""

    def __init__(self, location: Path, kinds: Sequence[Garment]) -> None:
        super().__init__(location, "train")
        self._kinds: Sequence[Garment] = kinds

    def __len__(self) -> int:
        return len(self._kinds) if hasattr(self, "_kinds") else super().__len__()

    def sample(self, position: int) -> Sample:
        mine = {
            "garment": self._kinds[position],
            "view": "front",
            "item": f"item-{position}",
            "look": f"look-{position}",
        }
        return super().sample(position).model_copy(update=mine)


@pytest.fixture(scope="module")
def data(shards: Path) -> ShardFolder:
    return ShardFolder(shards, "val")


def test_keys_are_paired_in_order(data: ShardFolder) -> None:
    first, second, third = data.keys[:3]
    assert keyed_pairs(data, [first, third], [second, first]) == [Pair(0, 1), Pair(2, 0)]


def test_an_unknown_key_gets_similar_keys(data: ShardFolder) -> None:
    wrong = data.keys[1] + "x"
    with pytest.raises(UserError, match=rf"--garment {wrong}: no such key .* similar keys: .*\b{data.keys[1]}\b"):
        keyed_pairs(data, [data.keys[0]], [wrong])


def test_a_person_needs_a_garment(data: ShardFolder) -> None:
    with pytest.raises(UserError, match="--person is given 2 times, --garment 1 times"):
        keyed_pairs(data, data.keys[:2], data.keys[:1])


@pytest.mark.parametrize("separator", [",", "\t", ", "])
@pytest.mark.parametrize("header", ["", "person{}garment\n", "﻿Person{}Garment\n\n"])
def test_pairs_are_read_from_a_file(data: ShardFolder, tmp_path: Path, separator: str, header: str) -> None:
    a, b = data.keys[:2]
    path = tmp_path / "pairs"
    path.write_text(header.format(separator) + f"{a}{separator}{b}\n\n{b}{separator}{b}\n", encoding="utf-8")
    assert pairs_from_file(data, path) == [Pair(0, 1), Pair(1, 1)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{a}", "line 3: 1 fields"),
        ("{a},{b},{a}", "line 3: 3 fields"),
        ("{a}," + "x" * 200_000, "line 3: field larger than field limit"),
        ("{a},nobody", "line 3: nobody: no such key"),
        ("{b}9\t{b}", "line 3: {b}9: no such key in this split of .*similar keys: {b}"),
    ],
)
def test_an_error_in_a_file_names_its_line(data: ShardFolder, tmp_path: Path, line: str, said: str) -> None:
    a, b = data.keys[:2]
    path = tmp_path / "pairs.csv"
    path.write_text(f"person,garment\n{a},{b}\n{line.format(a=a, b=b)}\n")
    with pytest.raises(UserError, match=said.format(a=a, b=b)):
        pairs_from_file(data, path)


def test_an_empty_or_missing_file_is_a_user_error(data: ShardFolder, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("person,garment\n")
    with pytest.raises(UserError, match="no pair in it"):
        pairs_from_file(data, tmp_path / "empty")
    with pytest.raises(UserError, match="No such file"):
        pairs_from_file(data, tmp_path / "missing")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        pairs_from_file(data, tmp_path / "binary")


def test_all_pairs_are_limited_and_spread_evenly(data: ShardFolder) -> None:
    n = len(data)
    whole, total = all_pairs(data, n * n)
    assert total == n * n
    assert set(whole) == {Pair(p, g) for p in range(n) for g in range(n)}
    some, total = all_pairs(data, n)
    assert (len(some), len(set(some)), total) == (n, n, n * n)
    assert {pair.person for pair in some} == set(range(n))
    assert len(all_pairs(data, None)[0]) == min(ALL_BOUND, n * n)


def test_all_pairs_stay_within_a_kind_of_garment(data: ShardFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ["lower" if position % 3 == 1 else "upper" for position in range(len(data))]
    real = data.sample
    monkeypatch.setattr(data, "sample", lambda at: real(at).model_copy(update={"garment": kinds[at]}))
    pairs, total = all_pairs(data, 10**9)
    everyone = range(len(data))
    assert pairs == [Pair(p, g) for p in everyone for g in everyone if kinds[p] == kinds[g]]
    assert total == len(pairs) < len(data) ** 2


@pytest.mark.parametrize("count", [1, 2, 8])
def test_people_without_a_partner_are_passed_over(shards: Path, count: int) -> None:
    kinds: list[Garment] = ["dress", "upper", "lower", "upper"]
    pairs = swapped_pairs(Kinds(shards, kinds), count)
    assert pairs == [Pair(1, 3), Pair(3, 1)][:count]


def test_people_are_swapped_all_over_the_split(shards: Path) -> None:
    pairs = swapped_pairs(Kinds(shards, ["upper"] * 6), 3)
    assert [pair.person for pair in pairs] == [0, 2, 4]
    assert all(pair.person != pair.garment for pair in pairs)
    assert own_pairs(Kinds(shards, ["upper"] * 6), 3) == [Pair(0, 0), Pair(2, 2), Pair(4, 4)]


def test_where_nobody_can_be_swapped_people_keep_their_garments(shards: Path) -> None:
    data = Kinds(shards, ["dress", "upper"])
    with pytest.raises(UserError, match=r"no two samples of the split train .*; build shards of more looks"):
        swapped_pairs(data, 8)
    assert swapped_or_own_pairs(data, 8) == [Pair(0, 0), Pair(1, 1)]
    assert swapped_or_own_pairs(Kinds(shards, ["upper"]), 8) == [Pair(0, 0)]
