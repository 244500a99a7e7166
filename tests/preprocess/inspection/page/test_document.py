"""The page about a folder of shards: its numbers are the folder's, its texts harmless, and nothing is fetched."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from common.errors import UserError
from preprocess.cli.report import report_command
from preprocess.inspection.page import write_report
from schemas import MANIFEST, Manifest, Sample, ShardIndex, Split

PageOf = Callable[[Path], Any]
Patch = Callable[[str, str, str], None]
TRAIN, VAL = "train-000000.tar", "val-000000.tar"


def samples_of(folder: Path) -> list[Sample]:
    found = []
    for path in sorted(folder.glob("*.index.json")):
        index = ShardIndex.model_validate_json(path.read_bytes())
        data = (folder / index.name).read_bytes()
        places = [sample.members["json"] for sample in index.samples]
        found += [Sample.model_validate_json(data[offset : offset + size]) for offset, size in places]
    return found


def edit_index(folder: Path, shard: str, change: Callable[[Any], None]) -> None:
    path = (folder / shard).with_suffix(".index.json")
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_the_counts_are_the_shards(drawn: Path, page_of: PageOf) -> None:
    page, samples = page_of(drawn), samples_of(drawn)
    manifest = Manifest.model_validate_json((drawn / MANIFEST).read_bytes())
    assert manifest.rejects
    splits: list[Split] = ["train", "val"]
    assert list(manifest.samples_by_split) == splits
    for title, name in (("Category", "garment"), ("View", "view"), ("Pairing", "pairing")):
        counts = Counter((getattr(sample, name), sample.split) for sample in samples)
        shown = page.table(title)
        assert {row: sum(numbers[:-1]) for row, numbers in shown.items()} == Counter(
            getattr(sample, name) for sample in samples
        )
        for row, numbers in shown.items():
            assert numbers == [*(counts[row, split] for split in splits), sum(numbers[:-1])]
    assert {row: numbers[-1] for row, numbers in page.table("Reason").items()} == manifest.rejects_by_reason


def test_each_histogram_has_all_samples(drawn: Path, page_of: PageOf) -> None:
    page = page_of(drawn)
    tables = [table for table in page.tables if table[0][-1] == "samples"]
    assert len(tables) == 7
    for table in tables:
        assert sum(int(row[1]) for row in table[1:]) == len(samples_of(drawn)), table[0][0]
    crops = next(table for table in tables if table[0][0] == "Person's crop, side")
    sides = [sample.person.crop.side for sample in samples_of(drawn)]
    for name, count in crops[1:]:
        low, high = (int(number) for number in re.findall(r"\d+", name))
        assert int(count) == sum(low <= side < high for side in sides)


def test_every_sample_of_a_small_folder_is_shown(drawn: Path, page_of: PageOf) -> None:
    page, samples = page_of(drawn), samples_of(drawn)
    cards = page.all("li", "card")
    assert Counter((card["data-split"], card["data-category"], card["data-view"]) for card in cards) == Counter(
        (sample.split, sample.garment, sample.view) for sample in samples
    )
    pictures = [one["src"] for one in page.all("img") if "width" in one]
    assert len(pictures) == len(samples)
    assert all(src.startswith("data:image/webp;base64,") for src in pictures)
    assert all(sample.key in page.text for sample in samples)


def test_the_same_shards_give_the_same_page(drawn: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_report(drawn, tmp_path / name, 1, lambda done, total: None)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_the_page_loads_nothing(drawn: Path, page_of: PageOf) -> None:
    page = page_of(drawn)
    page.assert_nothing_is_fetched()
    assert "http" not in page.source.replace("http-equiv", "")


HOSTILE = '<script>alert("1")</script>'


def test_texts_of_the_data_are_escaped(folder: Path, page_of: PageOf, patch: Patch) -> None:
    path = samples_of(folder)[0].person.path
    patch(TRAIN, path, HOSTILE.replace('"', "'").ljust(len(path.encode()), "x"))
    patch(VAL, '"garment":"upper"', '"garment":"<b>x\'"')

    def hostile(document: Any) -> None:
        document["rejects"][0] |= {"reason": HOSTILE, "path": HOSTILE, "detail": "<img src=x onerror=alert(1)>"}

    edit_index(folder, TRAIN, hostile)
    clean = page_of(folder)
    scripts = [text for tag, text in zip(clean.tags, clean.tags[1:], strict=False) if tag[0] == "script"]
    assert len(clean.all("script")) == 1, scripts
    assert not [attributes for _, attributes in clean.tags if any(name.startswith("on") for name in attributes)]
    assert not clean.all("b")
    assert len([one for one in clean.all("img") if "width" in one]) == len(clean.all("li", "card"))
    assert clean.table("Reason")[HOSTILE][-1] == 1
    assert "<script>alert('1')</script>xxx" in clean.text
    assert "val-000000.tar, val_" in clean.text
    assert "<b>x'" in clean.text


def test_unreadable_samples_are_listed_and_skipped(folder: Path, page_of: PageOf, patch: Patch) -> None:
    before = samples_of(folder)
    key = next(sample.key for sample in before if sample.garment == "upper")
    patch(TRAIN, '"garment":"upper"', '"garment":"capes"')
    (folder / VAL).with_suffix(".index.json").unlink()
    page = page_of(folder)
    assert "val-000000.tar: not finished, or its index does not match the tar" in page.text
    assert f"train-000000.tar, {key}: json: " in page.text
    counted = sum(numbers[-1] for numbers in page.table("Category").values())
    assert counted == len(page.all("li", "card")) == sum(sample.split == "train" for sample in before) - 1


def test_an_index_that_leads_out_of_the_tar_is_damage(folder: Path, page_of: PageOf) -> None:
    def far(document: Any) -> None:
        document["samples"][0]["members"]["jp.npy"] = [0, 1 << 50]
        del document["samples"][1]["members"]["jg.npy"]

    edit_index(folder, TRAIN, far)
    text = page_of(folder).text
    assert "jp.npy: not where the index says" in text
    assert "jg.npy: not where the index says" in text


def test_a_look_in_two_splits_is_shown_as_a_leak_and_comes_first(folder: Path, page_of: PageOf, patch: Patch) -> None:
    look = samples_of(folder)[0].look
    ours = next(sample for sample in samples_of(folder) if sample.split == "val")
    patch(VAL, f'"look":"{ours.look}"', f'"look":"{look}"')
    page = page_of(folder)
    assert f"look {look} is in two splits" in page.text
    assert page.table("Doubt")["leak"][-1] == 1
    first = page.all("li", "card")[0]
    assert first["data-split"] == "val"
    assert first["data-doubt"].split()[0] == "any"
    headings = page.source[page.source.index('class="cards"') :]
    assert re.search(r"<h3>(.*?)</h3>", headings).group(1) == ours.key  # type: ignore[union-attr]


def test_one_image_under_two_names_is_a_duplicate(folder: Path, page_of: PageOf, patch: Patch) -> None:
    assert "No two files have the same pixels" in page_of(folder).text
    shown = Counter(sample.product.path for sample in samples_of(folder) if sample.split == "train")
    path = next(one for one, count in shown.items() if count > 1)
    other = path.replace(".jpg", ".JPG")
    patch(TRAIN, path, other)
    assert f"garment: {other}, {path}" in page_of(folder).text


def test_filters_offer_the_shown_values(drawn: Path, page_of: PageOf) -> None:
    page, samples = page_of(drawn), samples_of(drawn)
    values = {one["value"] for one in page.all("option")}
    assert {sample.garment for sample in samples} | {sample.view for sample in samples} <= values
    assert {"any", "none", "train", "val"} <= values
    assert {"n0", ""} <= values


def test_the_command_prints_a_summary(drawn: Path, tmp_path: Path) -> None:
    """With worker processes, as always outside tests."""
    out = tmp_path / "page.html"
    result = CliRunner().invoke(report_command, ["--shards", str(drawn), "--out", str(out), "--workers", "2"])
    assert result.exit_code == 0, result.output
    count = len(samples_of(drawn))
    assert result.output.startswith(f"{count} samples, ")
    assert f"{count} shown: {out} (" in result.output


@pytest.mark.parametrize(("out", "what"), [("nowhere/page.html", "No such file"), (".", "Is a directory")])
def test_a_page_that_cannot_be_written_is_the_users_mistake(
    drawn: Path, tmp_path: Path, out: str, what: str
) -> None:  # fmt: skip
    with pytest.raises(UserError, match=what):
        write_report(drawn, tmp_path / out, 1, lambda done, total: None)


def test_no_folder_of_shards_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no plan\.json in it"):
        write_report(tmp_path, tmp_path / "page.html", 1, lambda done, total: None)


def test_a_missing_extra_names_the_package_to_install(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UserError, match=r"pip install 'tryon-cascade\[report\]'"):
        write_report(drawn, tmp_path / "page.html", 1, lambda done, total: None)
