"""Conditioning computes: it imports nothing that reads or writes files, and calls nothing that does."""

import ast
from pathlib import Path

import pytest

import preprocess.conditioning

MODULES = sorted(Path(preprocess.conditioning.__file__).parent.glob("*.py"))
PURE = {
    "__future__", "collections", "dataclasses", "functools", "itertools", "math", "typing",
    "cv2", "numpy", "schemas", "preprocess.conditioning", "preprocess.faults", "preprocess.formats",
    "preprocess.label_tables",
}  # fmt: skip
READS = {
    "open",
    "imread",
    "imwrite",
    "load",
    "save",
    "fromfile",
    "tofile",
    "memmap",
    "read_bytes",
    "read_text",
    "print",
}


def imported(tree: ast.Module) -> list[str]:
    nodes = list(ast.walk(tree))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return names + [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]


def called(tree: ast.Module) -> set[str]:
    return {ast.unparse(node.func).rpartition(".")[2] for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_imports_and_calls_nothing_that_touches_files(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = imported(tree)
    assert [name for name in names if not any(name == pure or name.startswith(f"{pure}.") for pure in PURE)] == []
    assert called(tree) & READS == set()


def test_reading_would_be_found() -> None:
    tree = ast.parse("import pathlib\nfrom preprocess.sources import Files\ncv2.imread(path)")
    assert imported(tree) == ["pathlib", "preprocess.sources"]
    assert called(tree) & READS
