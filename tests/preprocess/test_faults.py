"""The fault catalogue is whole: every fault is met somewhere, none is written as a bare string, all are explained."""

import ast
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import preprocess
from preprocess.faults import Exclusion, Fate, Fault, RecordError, Tally
from preprocess.inspection.dataset.listed_overview import LISTED_FAULTS
from preprocess.inspection.dataset.overview import AIHUB_FAULTS

PROGRAM = Path(preprocess.__file__).parent
CATALOGUE = PROGRAM / "faults.py"
CODES = {code.value for code in (*Fault, *Exclusion)}

SHIPPED = """
stray-cloth mislabelled-garment
unknown-category not-drawn near-duplicate between-splits
small-image long-image small-person blurred-image dark-image light-image grey-image unsure-joints
worn-unknown conflicting-pairs cp1252-text utf-16-text corrupt-image unusual-pixels transparent-image unexpected-error
inverted-mask mask-channel grey-mask torn-mask recomputed-mask loose-mask wrong-mask grabcut-garment
missing-person-image missing-person-pose missing-person-parse missing-product-image missing-product-pose
missing-product-parse picture-without-pair label-without-picture bad-pair repeated-pair unpaired-row bad-item-id
older-duplicate dotted-name bad-name too-large outside unreadable-file encrypted-member unsafe-name linked-member
linked-folder not-a-file nested-zip repeated-member utf-8-bom cp949-text bad-image turned-image exif-turned mpo-image
cmyk-image sixteen-bit-image size-mismatch bad-pose no-person-pose no-product-pose foreign-pose no-shoulders
several-people swapped-sides doubtful-view normalised-landmarks nested-landmarks missing-image-size view-mismatch
category-mismatch copied-labels bad-parse empty-parse colour-parse degenerate-polygon flat-polygon repeated-region
region-numbers unknown-region labels-outside garment-not-worn no-garment ambiguous-layers unclear-garment no-person
hidden-joints no-background unsure-pose unsure-person unsure-clothes unsure-garment unsure-landmarks
other-grid tar-in-store other-archive turned-labels doubtful-labels other-table painted-parse averaged-parse
blurred-parse
inner-layer upper-garment lower-garment dress-garment side-view back-view distant-views
"""
"""Codes that are in shards, rejects and people's scripts."""


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PROGRAM.rglob("*.py")):
        if path != CATALOGUE:
            yield path, ast.parse(path.read_text())


def members_used(tree: ast.Module) -> set[str]:
    """Return the members named in a module, but for those that a table of a report lists."""
    listed = {
        id(below)
        for node in tree.body
        if isinstance(node, ast.Assign) and all(ast.unparse(name).endswith("_FAULTS") for name in node.targets)
        for below in ast.walk(node)
    }
    named = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and id(node) not in listed]
    return {ast.unparse(node) for node in named if ast.unparse(node.value) in ("Fault", "Exclusion")}


def bare_codes(tree: ast.Module) -> list[str]:
    """Return the strings of a module that are codes, and f-strings that begin as one and are put together."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    found = [str(node.value) for node in texts if id(node) not in docs and node.value in CODES]
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
            found += [part for part in parts if _is_part_of_a_code(part)]
    return found


def _is_part_of_a_code(text: str) -> bool:
    """Say whether a text is where codes begin or end: `missing-`, `-view`."""
    stem = text.strip("-")
    return stem != text and bool(stem) and any(code.startswith(text) or code.endswith(text) for code in CODES)


def raised_with_text(tree: ast.Module) -> list[str]:
    """Return the calls of RecordError whose fault is a string."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "RecordError"
        and isinstance(node.args[0], ast.Constant | ast.JoinedStr)
    ]


def test_every_member_is_raised_or_recorded_somewhere() -> None:
    used = set().union(*(members_used(tree) for _, tree in sources()))
    assert used == {f"{type(code).__name__}.{code.name}" for code in (*Fault, *Exclusion)}


def test_no_bare_code_is_left() -> None:
    assert [(path.name, text) for path, tree in sources() for text in bare_codes(tree)] == []
    assert [(path.name, call) for path, tree in sources() for call in raised_with_text(tree)] == []


@pytest.mark.parametrize(
    "line", ['tally.note("bad-pair", path)', 'raise_(f"missing-{what}")', 'count[f"{kind}-garment"]']
)
def test_a_bare_code_would_be_found(line: str) -> None:
    assert bare_codes(ast.parse(line))


@pytest.mark.parametrize("reason", ['"new-fault"', 'f"new-{what}"'])
def test_a_fault_that_is_a_string_would_be_found(reason: str) -> None:
    assert raised_with_text(ast.parse(f"raise RecordError({reason}, path, text)"))


def test_a_member_that_only_a_table_lists_is_not_taken_for_used() -> None:
    assert members_used(ast.parse("AIHUB_FAULTS = (Fault.BAD_POSE,)\nraise_(Fault.BAD_PARSE)")) == {"Fault.BAD_PARSE"}


def test_codes_that_were_shipped_are_still_codes() -> None:
    assert set(SHIPPED.split()) == CODES


@pytest.mark.parametrize("fault", Fault)
def test_a_fault_has_a_fate_and_a_meaning(fault: Fault) -> None:
    assert fault.fate in Fate
    assert 10 <= len(fault.meaning) <= 90
    assert fault.meaning == fault.meaning.strip()
    assert not fault.meaning.endswith(".")
    assert f"{fault}" == fault.value


def test_no_two_faults_have_one_meaning() -> None:
    assert len({fault.meaning for fault in Fault}) == len(Fault)


@pytest.mark.parametrize("table", [AIHUB_FAULTS, LISTED_FAULTS], ids=["aihub", "listed"])
def test_a_table_names_each_fault_once(table: tuple[Fault, ...]) -> None:
    assert len(set(table)) == len(table)
    assert Tally().document(table) == {fault.value: {"count": 0, "examples": []} for fault in table}


def test_a_worker_can_send_faults() -> None:
    tally = Tally()
    tally.note(Fault.BAD_POSE, "a.json")
    sent = pickle.loads(pickle.dumps((tally, RecordError(Fault.OUTSIDE, "../a", "leads out"))))
    assert sent[0] == tally
    assert (sent[1].reason.meaning, str(sent[1])) == (Fault.OUTSIDE.meaning, "outside: ../a: leads out")
