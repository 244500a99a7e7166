"""Tables of pairs: the same samples as from the layout that the files are in, and what a row may lack."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from configurations import CONFIGURATION
from drawn_sets import body_25, label_map, look, openpose, write_jpeg, write_json, write_map
from http_server import HttpServer, running_http
from hub_server import running_hub
from pair_tables import PEOPLE, members_of, opened_table, written
from PIL import Image

from common.errors import UserError
from preprocess.cli.choices.table_options import notice_unused
from preprocess.faults import Fault, RecordError
from preprocess.planning.plan import make_plan
from preprocess.sharding.sample import Members, make_samples
from preprocess.sources import Files
from preprocess.sources.tables.pair_table import PairTable, open_table
from preprocess.sources.tables.table_rows import read_rows
from preprocess.sources.viton_hd import open_viton_hd
from schemas import Reject

Opened = Callable[..., PairTable]
Row = dict[str, str]


@pytest.fixture(scope="module")
def expected(drawn: Path) -> list[dict[str, bytes]]:
    """The members of VITON-HD's samples of the drawn people."""
    return members_of(Files(drawn), list(open_viton_hd(Files(drawn)).records("upper", "item", "all")))


@pytest.fixture
def server(drawn: Path) -> Iterator[HttpServer]:
    with running_http(drawn) as running:
        yield running


def test_a_table_gives_the_samples_of_the_layout(opened: Opened, rows: list[Row], expected: list[Any]) -> None:
    data = opened(rows)
    records = list(data.records("upper", "item", "all"))
    assert [record.split for record in records] == ["train", "train", "val"]
    assert [record.look for record in records] == [f"{split}-image-{stem}" for split, stem in PEOPLE]
    assert members_of(data.files, records) == expected
    assert not data.left_out


@pytest.mark.parametrize("suffix", [".tsv", ".jsonl", ".json"])
def test_tables_of_other_kinds_are_read_alike(
    suffix: str, opened: Opened, rows: list[Row], drawn: Path, tmp_path: Path
) -> None:
    path = tmp_path / f"pairs{suffix}"
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    texts = {".tsv": lines, ".jsonl": map(json.dumps, rows), ".json": ["", json.dumps(rows, indent=1)]}
    path.write_text("\n".join(texts[suffix]), encoding="utf-8")
    assert opened_table(path, drawn).rows == opened(rows).rows


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_may_begin_in_an_archive(
    kind: str, rows: list[Row], expected: list[Any], drawn: Path, tmp_path: Path
) -> None:
    """An archive given as --src, whose names are those of the table; or the folder around it, where it is a folder."""
    archive = Path(shutil.make_archive(str(tmp_path / "set"), kind, drawn))
    below = [{k: f"set/{v}" if "/" in v else v for k, v in row.items()} for row in rows]
    for src, those in ((archive, rows), (archive, below), (tmp_path, below)):
        data = opened_table(written(tmp_path / "pairs.csv", those), src)
        assert members_of(data.files, list(data.records("upper", "item", "all"))) == expected


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_paths_may_be_those_of_an_unpacked_archive(
    kind: str, rows: list[Row], expected: list[Any], drawn: Path, tmp_path: Path
) -> None:
    """Of one made of a folder of its own name, in whatever folder it lies."""
    shutil.copytree(drawn, tmp_path / "set")
    (tmp_path / "src/below").mkdir(parents=True)
    shutil.make_archive(str(tmp_path / "src/below/set"), kind, tmp_path, "set")
    below = [{k: f"below/set/{v}" if "/" in v else v for k, v in row.items()} for row in rows]
    data = opened_table(written(tmp_path / "pairs.csv", below), tmp_path / "src")
    records = list(data.records("upper", "item", "all"))
    assert members_of(data.files, records) == expected
    assert data.files.size(records[0].person_image) == (drawn / rows[0]["person"]).stat().st_size


def test_paths_may_be_absolute_if_they_lead_into_the_folder(opened: Opened, rows: list[Row], drawn: Path) -> None:
    absolute = [{k: str(drawn / v) if "/" in v else v for k, v in row.items()} for row in rows]
    assert opened(absolute).rows == opened(rows).rows
    data = opened([{**rows[0], "person": "/etc/hostname"}])
    (made,) = make_samples(data.files, list(data.records("upper", "item", "all")), CONFIGURATION)
    assert isinstance(made, Reject)
    assert made.reason == Fault.OUTSIDE


def test_urls_are_fetched_once_with_a_cache(
    server: HttpServer, rows: list[Row], expected: list[Any], tmp_path: Path
) -> None:
    remote = [{k: f"{server.url}/{v}" if "/" in v else v for k, v in row.items()} for row in rows[:1]]
    data = opened_table(written(tmp_path / "pairs.csv", remote), None, cache=tmp_path / "cache")
    records = list(data.records("upper", "item", "all"))
    make_plan(data.files, records, CONFIGURATION)
    assert not server.requests  # planning makes no request
    for _ in range(2):
        assert members_of(data.files, records) == expected[:1]
    assert len(server.requests) == 5


def test_a_missing_url_costs_its_record_alone(server: HttpServer, rows: list[Row], tmp_path: Path) -> None:
    remote = [{k: f"{server.url}/{v}" if "/" in v else v for k, v in row.items()} for row in rows[:2]]
    remote[0]["person"] += ".gone"
    data = opened_table(written(tmp_path / "pairs.csv", remote), None)
    first, second = make_samples(data.files, list(data.records("upper", "item", "all")), CONFIGURATION)
    assert isinstance(first, Reject)
    assert (first.reason, first.path) == (Fault.UNREADABLE_FILE, remote[0]["person"])
    assert isinstance(second, Members)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "pipe://cat", "simplecache::http://127.0.0.1:1/a.jpg"])
def test_no_url_leads_to_this_machine_or_runs_a_command(url: str, opened: Opened, rows: list[Row]) -> None:
    files = opened([{**rows[0], "person": url}]).files
    with pytest.raises(RecordError) as refused:
        files.read(url)
    assert refused.value.reason is Fault.OUTSIDE


def test_without_a_mask_the_garment_is_found_on_its_plain_ground(opened: Opened, rows: list[Row]) -> None:
    data = opened([{k: v for k, v in rows[0].items() if k != "mask"}])
    (found,) = members_of(data.files, list(data.records("upper", "item", "all")))
    (marked,) = members_of(data.files, list(opened(rows[:1]).records("upper", "item", "all")))
    assert np.mean(found["garment.png"] != marked["garment.png"]) <= 1
    pictures = [np.asarray(Image.open(io.BytesIO(one["garment.png"]))).astype(int) for one in (found, marked)]
    assert np.abs(pictures[0] - pictures[1]).mean() < 6


@pytest.mark.parametrize(
    ("column", "reason"),
    [("pose", Fault.MISSING_PERSON_POSE), ("parse", Fault.MISSING_PERSON_PARSE)],
)
def test_a_person_without_labels_is_rejected(column: str, reason: Fault, opened: Opened, rows: list[Row]) -> None:
    data = opened([{k: v for k, v in rows[0].items() if k != column}])
    (made,) = make_samples(data.files, list(data.records("upper", "item", "all")), CONFIGURATION)
    assert isinstance(made, Reject)
    assert made.reason == reason


def test_rows_that_name_no_pair_are_noted_and_skipped(opened: Opened, rows: list[Row]) -> None:
    odd = [
        {**rows[0], "person": ""},
        {**rows[0], "garment": ""},
        {**rows[0], "category": "umbrella"},
        {**rows[0], "split": "fold 3"},
        rows[1],
        rows[1],
    ]
    data = opened(odd)
    assert data.left_out == {"bad-pair": 3, "unknown-category": 1, "repeated-pair": 1}
    assert data.found.examples[Fault.UNKNOWN_CATEGORY] == ["pairs.csv, row 3: 'umbrella'"]
    assert len(list(data.records("upper", "item", "all"))) == 1


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("category", "dress", "category"), ("pose", "other.json", "pose"), ("mask", "", "mask"), ("worn", "no", "worn")],
)
def test_of_two_rows_that_contradict_each_other_the_first_is_used(
    column: str, value: str, said: str, opened: Opened, rows: list[Row]
) -> None:
    """Both would become the sample of the same key."""
    files = opened([rows[0], {**rows[0], column: value}, rows[1]]).files
    data = open_table(files, unpaired=True)
    assert data.left_out == {"bad-pair": 1}
    assert data.found.examples[Fault.BAD_PAIR] == [f"pairs.csv, row 2: another {said} than an earlier row of the pair"]
    records = list(data.records("all", "item", "all"))
    assert make_plan(data.files, records, CONFIGURATION).plan.records == 2
    assert records[0].garment == "upper"


def test_one_photograph_shows_several_garments(opened: Opened, rows: list[Row]) -> None:
    trousers = {**rows[0], "garment": rows[1]["garment"], "category": "jeans"}
    data = opened([rows[0], trousers, {**rows[0], "id": "again"}])
    assert not data.left_out
    assert [row.kind for row in data.rows] == ["upper", "lower", "upper"]


def test_rows_that_are_skipped_are_named(opened: Opened, rows: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    notice_unused(opened([rows[0], {**rows[1], "category": "umbrella", "note": "x"}]))
    assert capsys.readouterr().err.splitlines() == [
        "prep: columns not used: note",
        "prep: 1 row skipped as unknown-category: pairs.csv, row 2: 'umbrella'",
    ]


def test_categories_are_words_and_the_users_own(opened: Opened, rows: list[Row]) -> None:
    words = ["Jeans", "upper_body", "Tank top", "dresses", "umbrella", "", "1.0"]
    data = opened([{**rows[0], "id": word, "category": word} for word in words], category=("umbrella=dress",))
    assert [row.kind for row in data.rows] == ["lower", "upper", "upper", "dress", "dress", "upper", "lower"]
    assert len(list(data.records("lower", "item", "all"))) == 2
    assert data.left_out == {"upper-garment": 3, "dress-garment": 2}


@pytest.mark.parametrize(
    ("own", "word", "kind"),
    [("1.0", "1.0", "dress"), ("1.0", "1", "lower"), ("7", "7.0", "dress"), ("v2.0", "V2.0", "dress")],
)
def test_a_users_word_may_end_as_a_number_does(opened: Opened, rows: list[Row], own: str, word: str, kind: str) -> None:
    """The word as it stands goes before the number that pandas may have written."""
    (row,) = opened([{**rows[0], "category": word}], category=(f"{own}=dress",)).rows
    assert row.kind == kind


def test_only_a_number_is_read_without_its_decimals(opened: Opened, rows: list[Row]) -> None:
    data = opened([{**rows[0], "category": "dress.0"}])
    assert data.left_out == {"unknown-category": 1}


def test_columns_may_have_other_names(opened: Opened, rows: list[Row]) -> None:
    renamed = [{"target": row["person"], "source": row["garment"], "mask": row["mask"], "caption": "x"} for row in rows]
    data = opened(renamed, column=("person=target", "garment=source"))
    assert [row.path("person") for row in data.rows] == [row["person"] for row in rows]
    assert list(data.unused) == ["caption"]


def test_labels_may_be_ai_hubs_polygons(aihub: Path, tmp_path: Path) -> None:
    def named(pattern: str) -> str:
        (path,) = aihub.rglob(pattern)
        return str(path.relative_to(aihub))

    row = {
        "person": named("Model-Image/1008_A001_000.jpg"), "pose": named("Model-Pose/1008_A001_000.json"),
        "parse": named("Model-Parse/1008_A001_000.json"), "garment": named("Item-Image/1008001_F.jpg"),
        "mask": named("Item-Parse/1008001_F.json"), "garment_pose": named("Item-Pose/1008001_F.json"),
    }  # fmt: skip
    data = opened_table(written(tmp_path / "pairs.csv", [row]), aihub)
    (record,) = data.records("upper", "item", "all")
    assert record.labels == "aihub"
    (members,) = members_of(data.files, [record])
    assert members["jg.npy"].count(b"\0") < len(members["jg.npy"])


def test_photographs_of_one_person_in_one_outfit_pair_with_each_other(tmp_path: Path) -> None:
    rows = []
    for seed, frame in ((1, "000"), (1, "088"), (2, "000")):
        pixels, regions, points = look(seed, ("top", "trousers"), frame)
        stem = f"{seed}-{frame}"
        write_jpeg(tmp_path / f"{stem}.jpg", pixels)
        write_map(tmp_path / f"{stem}.png", label_map(regions, "cihp"))
        write_json(tmp_path / f"{stem}.json", openpose([body_25(points)]))
        rows.append(
            {"person": f"{stem}.jpg", "pose": f"{stem}.json", "parse": f"{stem}.png", "person_id": f"anna {seed}"}
        )
    data = opened_table(written(tmp_path / "pairs.csv", rows), None)
    records = list(data.records("upper", "view", "all"))
    assert [(record.look, record.frame, record.side) for record in records] == [
        ("anna 1", "1-000", "1-088"), ("anna 1", "1-088", "1-000"),
    ]  # fmt: skip
    made = list(make_samples(data.files, records, CONFIGURATION))
    assert all(isinstance(one, Members) for one in made), made
    first, second = (one for one in made if isinstance(one, Members))
    assert first.sample.pairing == "view"
    assert first.sample.product.path == "1-088.jpg"
    garment = np.asarray(Image.open(io.BytesIO(first.members["garment.png"])))
    assert 0.1 < (garment != 127).any(axis=2).mean() < 0.9
    assert first.members["jg.npy"] != second.members["jg.npy"]
    assert not list(data.records("upper", "item", "all"))


def test_the_split_follows_from_the_tables_name_without_a_column(rows: list[Row], drawn: Path, tmp_path: Path) -> None:
    plain = [{k: v for k, v in row.items() if k != "split"} for row in rows[:1]]
    for name, split in (("validation-00000-of-00002.csv", "val"), ("train.csv", "train"), ("pairs.csv", "train")):
        assert opened_table(written(tmp_path / name, plain), drawn).rows[0].split == split
    (tmp_path / "test").mkdir()
    assert opened_table(written(tmp_path / "test/0000.csv", plain), drawn).rows[0].split == "val"


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("", {}, "empty; its first line names the columns"),
        ("person,pose\na.jpg,b.json\n", {}, "needs the columns person and garment"),
        ("person,garment\na.jpg,b.jpg,c.jpg\n", {}, "row 1: 3 cells"),
        ("person,garment,person\na.jpg,b.jpg,c\n", {}, "two columns are called person"),
        ("person,garment\n", {"column": ("person=who",)}, "--column person=who:"),
        ("person,garment\n", {"column": ("who=person",)}, "--column who=person: give COLUMN=NAME"),
        ("person,garment\n", {"category": ("hat=head",)}, "--category hat=head: give WORD=KIND"),
        ("person,garment\n", {"column": ("person=person", "Person=garment")}, "--column Person=garment: person is"),
    ],
)
def test_mistakes_are_one_line(text: str, options: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        opened_table(path, None, **options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"person": "a.jpg"', "line 1: not JSON"),
        ("[1]", "item 1: not a JSON object"),
        ('[{"person": ', "not JSON"),
        ('{\n "person": "a.jpg"\n}', "line 1: not JSON"),
    ],
)
def test_mistakes_in_json_are_one_line(text: str, said: str, tmp_path: Path) -> None:
    for name in ("pairs.json", "pairs.jsonl"):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=f"{name}.*{said}"):
            read_rows(str(tmp_path / name))


def test_numbers_that_are_none_are_empty_cells(tmp_path: Path) -> None:
    """As pandas writes what is missing."""
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"person": "a.jpg", "pose": NaN, "mask": null}\n{"person": "b.jpg"}')
    assert [row.values for row in read_rows(str(path))[1]] == [
        {"person": "a.jpg", "pose": "", "mask": ""}, {"person": "b.jpg"},
    ]  # fmt: skip


def test_a_table_without_rows_is_said_to_have_none(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("person,garment\n")
    assert opened_table(tmp_path / "pairs.csv", None).why_empty("item").startswith("pairs.csv: has no rows")


def test_a_table_that_is_missing_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    found = (("gone.csv", "no such file"), ("*.csv", "no table matches it"), ("tables", "a folder; give a pattern"))
    for location, said in found:
        with pytest.raises(UserError, match=said):
            opened_table(tmp_path / location, None)


@pytest.fixture
def embedded(drawn: Path, rows: list[Row], tmp_path: Path) -> Path:
    """Write the drawn people as Hugging Face writes a dataset: images in the cells, in groups of two rows."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

    def cells(column: str) -> Any:
        files = [drawn / row[column] for row in rows]
        return pa.array([{"bytes": file.read_bytes(), "path": file.name} for file in files], image)

    table = pa.table(
        {
            "source": cells("garment"), "mask": cells("mask"), "target": cells("person"), "parse": cells("parse"),
            "pose": [(drawn / row["pose"]).read_text() for row in rows],
            "caption": ["a top"] * 3, "category": ["shirt"] * 3,
        }
    )  # fmt: skip
    path = tmp_path / "train-00000-of-00001.parquet"
    parquet.write_table(table, path, row_group_size=2)
    return path


def test_parquet_with_images_in_its_cells(embedded: Path, expected: list[Any]) -> None:
    data = opened_table(embedded, None, column=("person=target", "garment=source"))
    records = list(data.records("upper", "item", "all"))
    assert [record.look for record in records] == [f"train-00000-of-00001-{n:08d}" for n in range(3)]
    assert records[2].person_image == "train-00000-of-00001.parquet/00000002/target"
    assert members_of(data.files, records) == expected
    assert data.files.stamp(records[0].person_image) == (embedded.stat().st_size, 0)
    assert list(data.unused) == ["caption"]


def test_parquet_that_names_the_images_of_its_cells(
    drawn: Path, rows: list[Row], expected: list[Any], tmp_path: Path
) -> None:
    """As Hugging Face's datasets are without `embed_external_files`; other rows may hold theirs."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    cells = {
        name: pa.array([{"bytes": (drawn / row[name]).read_bytes() if n == 1 else None, "path": row[name]}
                        for n, row in enumerate(rows)], image)
        for name in ("person", "garment")
    }  # fmt: skip
    words = {name: [row[name] for row in rows] for name in ("pose", "parse", "mask", "split")}
    path = tmp_path / "pairs.parquet"
    parquet.write_table(pa.table({**cells, **words}), path)
    data = opened_table(path, drawn)
    assert members_of(data.files, list(data.records("upper", "item", "all"))) == expected
    parquet.write_table(pa.table({**words, "person": pa.array([{"bytes": None, "path": "../a.jpg"}] * 3, image),
                                  "garment": words["mask"]}), path)  # fmt: skip
    outside = opened_table(path, drawn)
    with pytest.raises(RecordError) as refused:
        outside.files.read(outside.rows[0].path("person"))
    assert refused.value.reason is Fault.OUTSIDE


def test_a_cell_that_names_its_file_is_as_in_a_text(tmp_path: Path) -> None:
    """Its ending tells what it is, and a change of the file is seen; other rows' bytes are cells."""
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    named = [
        {"person": {"bytes": None, "path": "a.jpg"}, "parse": {"bytes": None, "path": "p.json"}, "garment": "g.jpg"}
    ]
    held = [
        {"person": {"bytes": b"x", "path": "a.jpg"}, "parse": {"bytes": b"y", "path": "p.json"}, "garment": "h.jpg"}
    ]
    schema = pa.schema([("person", image), ("parse", image), ("garment", pa.string())])
    parquet.write_table(pa.Table.from_pylist(named + held, schema), tmp_path / "t.parquet")
    (tmp_path / "a.jpg").write_bytes(b"before")
    data = opened_table(tmp_path / "t.parquet", tmp_path)
    first, second = data.rows
    assert (first.path("person"), first.labels) == ("a.jpg", "aihub")
    assert (second.path("person"), second.labels) == ("t.parquet/00000001/person", "cihp")
    before = data.files.stamp("a.jpg")
    (tmp_path / "a.jpg").write_bytes(b"the image after")
    assert data.files.stamp("a.jpg") != before


def test_parquet_at_a_url(embedded: Path, expected: list[Any]) -> None:
    with running_http(embedded.parent) as server:
        data = opened_table(f"{server.url}/{embedded.name}", None, column=("person=target", "garment=source"))
        assert members_of(data.files, list(data.records("upper", "item", "all"))) == expected


def test_a_damaged_cell_costs_its_records_alone(embedded: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    place = parquet.read_metadata(embedded).row_group(0).column(0)  # the garments of the first of two groups
    start = place.dictionary_page_offset or place.data_page_offset
    data = bytearray(embedded.read_bytes())
    data[start : start + 16] = bytes(16)
    embedded.write_bytes(bytes(data))
    table = opened_table(embedded, None, column=("person=target", "garment=source"))
    made = list(make_samples(table.files, list(table.records("upper", "item", "all")), CONFIGURATION))
    assert [getattr(one, "reason", "") for one in made][:1] == [Fault.UNREADABLE_FILE]
    assert isinstance(made[2], Members)


def test_damaged_parquet_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(UserError, match="no parquet file") as error:
        opened_table(tmp_path / "a.parquet", None)
    assert "\n" not in str(error.value)


def test_a_dataset_on_a_hub(
    drawn: Path, rows: list[Row], expected: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(drawn / "train-0.csv", rows[:1])
    try:
        with running_hub(drawn, monkeypatch) as url:
            data = opened_table(f"{url}/train-*.csv", None)
            records = list(data.records("upper", "item", "all"))
            assert records[0].person_image == f"{url}/{rows[0]['person']}"
            assert members_of(data.files, records) == expected[:1]
    finally:
        (drawn / "train-0.csv").unlink()


def test_a_table_with_a_long_cell_leaves_the_limit_of_other_lists(tmp_path: Path) -> None:
    usual = csv.field_size_limit()
    path = tmp_path / "pairs.csv"
    path.write_text("person,garment,note\na.jpg,b.jpg," + "x" * (usual + 1) + "\n")
    assert [len(row.values["note"]) for row in read_rows(str(path))[1]] == [usual + 1]
    assert csv.field_size_limit() == usual
