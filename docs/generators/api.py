"""The API reference: a page for each package, whose modules mkdocstrings renders from their docstrings."""

from __future__ import annotations

from pathlib import Path

PACKAGES = (
    "tryon_cascade", "schemas", "common",
    "preprocess.sources", "preprocess.formats", "preprocess.planning", "preprocess.loading", "preprocess.conditioning",
    "preprocess.sharding", "preprocess.inspection", "preprocess.annotation",
    "train.data", "train.models", "train.diffusion", "train.training", "train.runs", "train.memory", "train.inference",
    "train.evaluation",
)  # fmt: skip


def api_pages(root: Path) -> dict[str, str]:
    """Return package → Markdown with one directive for each of its modules."""
    return {package: _page(root, package) for package in PACKAGES}


def _page(root: Path, package: str) -> str:
    folder = root.joinpath(*package.split("."))
    files = sorted(path for path in folder.rglob("*.py") if not path.name.startswith("__"))
    names = [".".join(path.relative_to(root).with_suffix("").parts) for path in files]
    directives = "\n\n".join(f"::: {name}" for name in names)
    own = f"::: {package}\n    options:\n      members: false\n      show_root_heading: false"
    return f"# {package}\n\n{own}\n\n{directives}\n"
