"""Types of options: paths and URLs."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from common.options import FILE, FOLDER, Location


@pytest.mark.parametrize("kind", [FOLDER, FILE, Location()])
def test_an_empty_path_is_not_the_working_folder(kind: Location | click.Path) -> None:
    with pytest.raises(click.BadParameter, match="empty; give a path"):
        kind.convert("", None, None)
    assert kind.convert("here", None, None) == Path("here")


def test_a_location_may_be_a_url() -> None:
    assert Location().convert("s3://bucket/a", None, None) == "s3://bucket/a"
