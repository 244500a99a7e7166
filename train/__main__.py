"""The command `trainer`, also `python -m train`."""

from __future__ import annotations

from train.cli import main

if __name__ == "__main__":
    main()
