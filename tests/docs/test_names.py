"""Files and modules that a document names exist, and so do the documents that the code names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "shards/README.md")),
]
"""All that speaks of the code as it is now; the changelog also has names of before."""

PACKAGES = ("preprocess", "train", "schemas", "common", "tryon_cascade")
FOLDERS = (*PACKAGES, "benchmarks", "integrations", "tests", "docker", "docs")
PATH = re.compile(rf"(?<![\w/.-])((?:{'|'.join(FOLDERS)})/[\w./-]*\w/?)")
DOTTED = re.compile(rf"(?<![\w./-])((?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+)(?![\w/])")
WRITTEN = {"benchmarks/card/state", "docs/generators", "train/val"}
"""Paths that a program writes, or that only look like one of the project."""


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", DOCUMENTS, ids=name_of)
def test_paths_in_a_document_exist(file: Path) -> None:
    text = file.read_text("utf-8")
    named = {path.rstrip(".") for path in PATH.findall(text)}
    missing = {path for path in named if not (ROOT / path).exists() and not path.startswith(tuple(WRITTEN))}
    assert not missing


@pytest.mark.parametrize("file", DOCUMENTS, ids=name_of)
def test_modules_in_a_document_exist(file: Path) -> None:
    assert not {name for name in DOTTED.findall(file.read_text("utf-8")) if not is_defined(name)}


def is_defined(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or what one defines or imports at its top level; nothing runs."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:length])
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if file.is_file():
            rest = parts[length:]
            return not rest or rest[0] in top_level_names(file) or rest == ["py"]
    return False


def top_level_names(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_links_of_documents_lead_somewhere() -> None:
    for file in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]+)", file.read_text("utf-8")):
            assert file.parent.joinpath(target).exists(), f"{name_of(file)}: {target}"
