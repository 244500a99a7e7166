"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from schemas import Configuration

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads slow each other down beside any busy process


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photographs; the test is skipped where it is absent."""
    folder = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real photographs in {folder}: set TRYON_REAL_DATA to a folder that holds aihub-sample/")
    return folder


@pytest.fixture(scope="session")
def configuration() -> Configuration:
    """What `prep build-shards` is set to where the command line says nothing; a test changes what it is about."""
    return Configuration(
        source="aihub",
        garment="upper",
        pairing="item",
        views="matching",
        linings=False,
        target_size=1024,
        conditioning_size=256,
        jpeg_quality=95,
    )
