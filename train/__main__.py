"""`python -m train` is `trainer`."""

from train.cli import main

if __name__ == "__main__":
    main()
