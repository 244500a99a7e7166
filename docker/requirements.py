"""Print the requirements of pyproject.toml in the working directory, including the given extras, one per line.

Images install these requirements before the code is copied, so that a code change does not reinstall them.
"""

import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the requirements of the project and of the extras. Raise KeyError for an unknown extra."""
    project = tomllib.loads(pyproject.read_text("utf-8"))["project"]
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


if __name__ == "__main__":
    print("\n".join(requirements(Path("pyproject.toml"), sys.argv[1:])))
