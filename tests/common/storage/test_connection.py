"""How a whole file is asked for: with one request, by whatever version of a file system."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from common.storage.connection import whole_file


async def _concurrent(path: str, max_concurrency: int | None = None) -> bytes:
    return b"" if max_concurrency else path.encode()


async def _plain(path: str) -> bytes:
    return path.encode()


@pytest.mark.parametrize(
    ("files", "options"),
    [
        (SimpleNamespace(_cat_file=_concurrent), {"max_concurrency": 1}),
        (SimpleNamespace(_cat_file=_plain), {}),
        (SimpleNamespace(), {}),
    ],
    ids=["asks for the size", "asks for the file alone", "has no asynchronous form"],
)
def test_only_a_file_system_that_asks_twice_gets_an_option(files: Any, options: dict[str, int]) -> None:
    assert whole_file(files) == options
