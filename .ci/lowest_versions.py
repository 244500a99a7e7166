"""Print, as `name==version`, the lowest version that pyproject.toml declares of each package the programs import."""

import re
import tomllib
from pathlib import Path

EXTRAS = ("train", "report")
"""Not demo: the tests also need s3fs, whose current release requires a newer aiohttp than the demo does."""
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]

for requirement in (
    *PROJECT["dependencies"],
    *(one for name in EXTRAS for one in PROJECT["optional-dependencies"][name]),
):
    match = re.fullmatch(r"([a-z0-9-]+)>=([0-9.]+)", requirement)
    assert match, f"{requirement}: a package and its lowest version, as in click>=8.1"
    print(f"{match[1]}=={match[2]}")
