"""The command `prep`, also `python -m preprocess`."""

import sys

from common.standard_streams import open_missing_streams


def main() -> None:
    """Run the command line.

    It is imported here, not at the top: every worker process imports this module again and would import all commands,
    which takes a third of its start-up time. Meanwhile another core starts the process that workers are forked from.
    """
    open_missing_streams()
    try:
        if sys.argv[1:2] == ["build-shards"]:
            from preprocess.workers import make_ready

            make_ready()
        from preprocess.cli import main as run

        run()
    except KeyboardInterrupt:  # while modules are still imported
        sys.exit(130)


if __name__ == "__main__":
    main()
