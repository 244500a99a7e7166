"""--labels FILE: tables in JSON, CSV and TOML, and the line that each mistake is named with."""

from pathlib import Path

import pytest

from common.errors import UserError
from preprocess.formats.label_table_files import read_table
from preprocess.label_tables import label_names, region_names

WANTED = ("background", "hair", "face", "upper", "unused", "left arm")

GOOD = {
    "a.json": '{"0": "background", "1": "Hair", "2": "face", "3": "upper-clothes", "5": "left_arm"}',
    "b.json": '{"labels": {"background": 0, "hair": 1, "face": 2, "top": 3, "left-arm": 5}}',
    "c.json": '{"id2label": {"0": "bg", "1": "hair", "2": "face", "3": "upper", "5": "L arm"}}',
    "a.csv": "number,name\n0,background\n1,hair\n2,face\n3,upper\n5,left arm\n",
    "b.csv": "# mine\n0;background\n1;hair\n2;face\n\n3;shirt\n5;Left-Arm\n",
    "c.txt": "0: background\n1: hair\n2: face\n3: upper\n5: left arm",
    "d.csv": "\ufeffname,number\nbackground,0\nhair,1\nface,2\nupper,3\nleft arm,5\n",
    "a.toml": '[labels]\n0 = "background"\n1 = "hair"\n2 = "face"\n3 = "upper"\n5 = "left arm"\n',
}


@pytest.mark.parametrize("name", GOOD)
def test_a_table_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(GOOD[name], encoding="utf-8")
    table = read_table(path)
    assert label_names(table) == WANTED
    assert region_names(table)[:4] == ("", "hair", "face", "inner_torso")


def test_a_list_counts_from_0(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('["background", "hair", "face"]')
    assert label_names(read_table(path)) == WANTED[:3]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.json", '{"0": "background",\n"1": "hair",\n"2": "wings"}', "line 3: 'wings' is not a known label"),
        ("a.json", '{"0": "background",\n"x": "hair"}', "line 2: 'x' is not a label number"),
        ("a.json", '{"0": "background",\n"1": 7}', "line 2: 7 is not a name"),
        ("a.json", '{"0": "background",', "line 1: not JSON"),
        ("a.json", "7", "line 1: an object"),
        ("a.json", '{"0": "background", "0": "hair"}', "the number 0 has a name already"),
        ("a.json", '{"0": "background"}', "at least one more"),
        ("a.csv", "0,background\n1,hair\n300,face\n", "line 3: '300' is not a label number"),
        ("a.csv", "0,background\nhair\n", "line 2: a number and a name"),
        ("a.csv", "0,background\n1,hair\n1,face\n", "line 3: the number 1 has a name already"),
        ("a.csv", "1,hair\n2,face\n", "name `background`"),
        ("a.toml", '0 = "background"\n1 = \n', "line 2: not TOML"),
        ("a.toml", '0 = "background"\n1 = "wings"\n', "line 2: 'wings'"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, name: str, text: str, problem: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_table(path)
    assert problem in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read as text"):
        read_table(path)
