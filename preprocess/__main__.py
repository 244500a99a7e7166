"""The command `prep`, also `python -m preprocess`."""


def main() -> None:
    """Run the command line.

    It is imported here, not above: every process that builds shards imports this module anew, and would import all
    commands, which takes a third of its start.
    """
    from preprocess.cli import main as run

    run()


if __name__ == "__main__":
    main()
