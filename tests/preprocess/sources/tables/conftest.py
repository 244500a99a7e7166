"""Three drawn people in VITON-HD's files, and the rows of a table that names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drawn_sets import write_viton_hd
from pair_tables import PEOPLE, Rows, opened_table, row_of, written

from preprocess.sources.tables.pair_table import PairTable


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in VITON-HD's layout, of which nothing may be changed."""
    root = tmp_path_factory.mktemp("drawn")
    for seed, (split, stem) in enumerate(PEOPLE):
        write_viton_hd(root, split, stem, seed)
    (root / "train_pairs.txt").write_text("00001_00.jpg 00001_00.jpg\n00002_00.jpg 00002_00.jpg\n")
    (root / "test_pairs.txt").write_text("00003_00.jpg 00003_00.jpg\n")
    return root


@pytest.fixture
def rows() -> list[dict[str, str]]:
    """Return the whole rows of the drawn people."""
    return [row_of(*person) for person in PEOPLE]


@pytest.fixture
def opened(drawn: Path, tmp_path: Path) -> Callable[..., PairTable]:
    """Write rows as CSV and open them as a table of the drawn folder, with options of the command line."""

    def open_rows(rows: Rows, **options: Any) -> PairTable:
        return opened_table(written(tmp_path / "pairs.csv", rows), drawn, **options)

    return open_rows
