"""How a whole file is asked for: with one request, by whatever version of a file system."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from common.errors import UserError
from common.storage.connection import whole_file, with_retries


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


@pytest.mark.parametrize("said", ["", "None", None])
def test_an_error_without_a_text_is_named_by_its_kind_alone(said: str | None) -> None:
    """As a server's refusal of a HEAD request is, which has no body."""

    def refused() -> None:
        raise PermissionError(said)

    with pytest.raises(
        UserError, match=r"^s3://b/a: cannot be read: PermissionError; give credentials that permit it$"
    ):
        with_retries("s3://b/a", refused)
