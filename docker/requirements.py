"""Print what pyproject.toml in the working directory requires, and the extras that are named, one a line.

An image's requirements are installed from this list before the code is copied, so that a change in the code does not
install them again.
"""

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the requirements of the project and of the extras. Raise KeyError where there is no such extra."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


if __name__ == "__main__":
    print("\n".join(requirements(Path("pyproject.toml"), sys.argv[1:])))
