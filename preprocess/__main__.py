"""`python -m preprocess` is `prep`."""

from preprocess.cli import main

if __name__ == "__main__":
    main()
