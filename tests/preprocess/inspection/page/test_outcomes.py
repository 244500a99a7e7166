"""The bar of doubtful records and the examples of each doubt."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from common.errors import UserError
from preprocess.cli.report import report_command
from preprocess.inspection.page import write_report
from preprocess.inspection.page.entry import Entry, ShardScan
from preprocess.inspection.page.outcomes import MOST_EXAMPLES, groups, outcome_bar, reject_examples
from preprocess.inspection.page.sheet import Card
from preprocess.inspection.verification.shard_check import LeakageFacts
from preprocess.sources import Files
from schemas import MANIFEST, Manifest, Reject, Sample, ShardIndex

PageOf = Callable[[Path], Any]
ENTRY = Entry(
    key="k", shard="train-000000.tar", split="train", garment="upper", view="front", pairing="item",
    person_path="p.jpg", product_path="g.jpg", person_crop=700, product_crop=500, person_size=600, beyond=0.0,
    hidden=0.3, shown=0.4, jp=0x1FFF, jg=0x1FE0, estimated=False, repaired=(),
)  # fmt: skip


def groups_of(page: Any) -> dict[str, str]:
    """Return the HTML of each doubt by its name."""
    parts = re.findall(r'<article class="doubt">(.*?)</article>', page.source, flags=re.DOTALL)
    names = [re.search(r"</span>([^<]*) <span", part) for part in parts]
    return {name.group(1): part for name, part in zip(names, parts, strict=True) if name}


def test_every_record_counts_once_by_its_gravest_outcome(drawn: Path, page_of: PageOf) -> None:
    manifest = Manifest.model_validate_json((drawn / MANIFEST).read_bytes())
    page = page_of(drawn)
    counts = {name: int(count) for count, name in re.findall(r"<strong>(\d+) ([a-z ]+)</strong>", page.source)}
    assert counts["rejected"] == sum(manifest.rejects_by_reason.values())
    assert sum(counts.values()) == sum(manifest.samples_by_split.values()) + counts["rejected"]
    widths = re.findall(r'<rect class="[a-z-]+" x="[\d.]+" width="([\d.]+)"', page.source)
    assert sum(map(float, widths)) == pytest.approx(100, abs=0.01)


def test_an_empty_folder_has_an_empty_bar() -> None:
    assert outcome_bar([], {}) == []


def test_doubts_come_before_the_counts(drawn: Path, page_of: PageOf) -> None:
    page = page_of(drawn)
    assert page.source.index('id="doubts"') < page.source.index('id="counts"')
    assert set(groups_of(page)) == {"empty-parse"}


REPAIRED, NOTED, OTHER, NONE = ("repaired: turned-image",), ("noted: loose-mask",), ("small person",), ()


def scan_of(doubts: dict[str, tuple[str, ...]]) -> ShardScan:
    reject = Reject(key="r", reason="bad-image", path="p.jpg", detail="cannot be decoded")
    entries = tuple(replace(ENTRY, key=key) for key in doubts)
    return ShardScan("train-000000.tar", "train", entries, LeakageFacts.of("train", []), (reject,), ())


def test_the_gravest_outcome_comes_first_and_examples_are_few() -> None:
    doubts = {"a": OTHER, "b": NOTED, "c": REPAIRED + NOTED, "d": NONE, **{f"e{n}": NOTED for n in range(5)}}
    scan = scan_of(doubts)
    parts = outcome_bar([scan], doubts)
    assert [(part.name, part.count) for part in parts] == [
        ("rejected", 1), ("repaired", 1), ("noted", 6), ("doubtful", 1), ("no doubt", 1),
    ]  # fmt: skip
    assert parts[-1].start + parts[-1].share == pytest.approx(1)
    cards = [(Card(entry, cast("Sample", None), "picture", ()), doubts[entry.key]) for entry in scan.entries]
    found = groups([scan], doubts, cards, reject_examples([("train", scan.rejects[0])]), {"r": "of the reject"})
    assert [(group.outcome, group.name, group.row.total) for group in found] == [
        ("rejected", "bad-image", 1), ("repaired", "turned-image", 1), ("noted", "loose-mask", 7),
        ("doubtful", "small person", 1),
    ]  # fmt: skip
    assert [len(group.examples) for group in found] == [1, 1, MOST_EXAMPLES, 1]
    assert found[0].examples[0].picture == "of the reject"
    assert all(group.meaning for group in found)


def test_rejected_records_are_shown_with_the_dataset(drawn: Path, tmp_path: Path) -> None:
    indices = [ShardIndex.model_validate_json(path.read_bytes()) for path in drawn.glob("*.index.json")]
    reject = next(reject for index in indices for reject in index.rejects)
    out = tmp_path / "page.html"
    write_report(drawn, out, 1, lambda done, total: None)
    assert "prep report --src DIR" in out.read_text()
    write_report(drawn, out, 1, lambda done, total: None, Files(drawn.parent / "aihub"))
    text = out.read_text()
    assert "prep report --src DIR" not in text
    assert f"person and garment of {reject.key}" in text


def test_a_dataset_of_another_kind_is_the_users_mistake(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError):
        write_report(drawn, tmp_path / "page.html", 1, lambda done, total: None, Files(tmp_path))


def test_the_command_takes_the_dataset(drawn: Path, tmp_path: Path) -> None:
    arguments = ["--shards", str(drawn), "--out", str(tmp_path / "page.html"), "--workers", "1"]
    result = CliRunner().invoke(report_command, [*arguments, "--src", str(drawn.parent / "aihub")])
    assert result.exit_code == 0, result.output
    assert "person and garment of" in (tmp_path / "page.html").read_text()
