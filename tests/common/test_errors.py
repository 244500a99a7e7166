"""The tree of exceptions in `common.errors` is the tree of the code."""

import ast
import re
from collections import Counter
from pathlib import Path

import common.errors

ROOT = Path(__file__).parents[2]
PROGRAMS = ("preprocess", "train", "common", "schemas")
BUILT_IN = {"Exception", "ValueError", "RuntimeError", "OSError"}
_LINE = re.compile(r"^((?:[│├└─ ] ?)*)(\w+)(?: {2,}(.*))?$")


def raised_classes() -> list[tuple[str, str]]:
    """List (exception, its base) of every class in the programs that is one, however far down."""
    sources = [
        path for folder in ("preprocess", "train", "common", "schemas") for path in (ROOT / folder).rglob("*.py")
    ]
    classes = [
        (node.name, ast.unparse(base).rpartition(".")[2])
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    ]
    known = set(BUILT_IN)
    while found := {name for name, base in classes if base in known} - known:
        known |= found
    return sorted((name, base) for name, base in classes if base in known)


def drawn_classes() -> dict[str, list[tuple[str, str]]]:
    """Return exception → (its base, what becomes of it) for each time it is drawn."""
    tree = (common.errors.__doc__ or "").split("\n\n")[1].splitlines()
    above: list[str] = []
    drawn: dict[str, list[tuple[str, str]]] = {}
    for line in tree:
        match = _LINE.match(line)
        assert match, line
        depth = len(match[1]) // 4
        above[depth:] = [match[2]]
        if depth:
            drawn.setdefault(match[2], []).append((above[depth - 1], match[3] or ""))
    return drawn


def test_every_exception_is_drawn_under_its_base() -> None:
    drawn = Counter(
        (name, base) for name, places in drawn_classes().items() for base, _ in places if name not in BUILT_IN
    )
    found = Counter(raised_classes())
    assert len(found) > 10
    assert drawn == found


def test_every_exception_has_its_handling_described() -> None:
    for name, places in drawn_classes().items():
        for _, fate in places:
            assert name in BUILT_IN or ": " in fate, name


def test_a_message_that_names_its_file_does_not_name_it_twice() -> None:
    error = PermissionError(13, "Permission denied", "a.jpg")
    assert common.errors.said(error) == "Permission denied"
    assert common.errors.reason(error) == "Permission denied (a.jpg)"
    assert common.errors.said(OSError()) == "OSError"
