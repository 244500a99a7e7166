"""The command `trainer`, also `python -m train`: names the extra to install if it is missing."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; without the extra `train`, print one line on stderr and exit with code 2."""
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
