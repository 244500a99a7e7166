"""The command `trainer`, also `python -m train`: says what to install where the extra is missing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; without the extra `train` it is one line on stderr and exit code 2."""
    try:
        from train.cli import main as run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in ("train", "schemas"):
            raise
        print(f"trainer: {error.name} is not installed; pip install 'tryon-cascade[train]'", file=sys.stderr)
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
