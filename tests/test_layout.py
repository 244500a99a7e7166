"""The rules of the house: small folders, one module of a name, no package that a tool takes for build output."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAMS = ("preprocess", "train", "common", "schemas")
MOST_MODULES = 13
"""Modules of a folder, its __init__ among them: about a dozen."""
IGNORED = {
    "bin", "build", "cache", "coverage", "data", "dist", "downloads", "eggs", "env", "htmlcov", "lib", "lib64", "logs",
    "node_modules", "out", "output", "parts", "pip-wheel-metadata", "sdist", "site", "site-packages", "target", "temp",
    "tmp", "var", "venv", "wheels",
}  # fmt: skip
"""Names that .gitignore templates, packagers or test collectors leave out."""
ALLOWED = {"train/data"}
"""Packages that are called so all the same: `data` is ignored by nothing that this project uses."""


def folders(program: str) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder with Python files below a program, relative to the root, and its modules."""
    for folder in sorted({path.parent for path in (ROOT / program).rglob("*.py")}):
        yield folder.relative_to(ROOT), sorted(path.stem for path in folder.glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_folders_are_small(program: str) -> None:
    sizes = {str(folder): len(modules) for folder, modules in folders(program)}
    assert sizes
    assert {folder: size for folder, size in sizes.items() if size > MOST_MODULES} == {}


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_two_modules_or_packages_share_a_name(program: str) -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for folder, modules in folders(program):
        places[folder.name].append(f"{folder}/")
        for module in modules:
            if not module.startswith("__"):
                places[module].append(f"{folder}/{module}.py")
    assert len(places) > 1
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_package_is_called_as_build_output_is(program: str) -> None:
    packages = {str(folder): folder.name for folder, _ in folders(program)}
    assert {folder for folder, name in packages.items() if name in IGNORED} <= ALLOWED


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_folder_says_what_it_holds(program: str) -> None:
    for folder, modules in folders(program):
        assert "__init__" in modules, folder
        assert (ROOT / folder / "__init__.py").read_text().startswith('"""'), folder
