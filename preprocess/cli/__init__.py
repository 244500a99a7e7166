"""The `prep` command line. Results go to stdout, progress and messages to stderr; exit code 2 means a user error."""

from __future__ import annotations

import click

from common.lazy_group import Lazy, LazyGroup
from common.program import run_program, traceback_option
from preprocess.libraries import use_portable_code

COMMANDS = {
    "annotate": Lazy(
        "preprocess.cli.annotate", "annotate_photographs", "Label your own photographs with pose and mask estimators."
    ),
    "build-shards": Lazy("preprocess.cli.build_shards", "build_shards", "Build shards from a dataset."),
    "extend": Lazy("preprocess.cli.folders.extend", "extend_shards", "Add new records to finished shards."),
    "inspect": Lazy("preprocess.cli.inspect", "inspect_command", "List what a dataset contains and its faults."),
    "merge": Lazy("preprocess.cli.folders.merge", "merge_shards", "Copy finished shards into one folder."),
    "report": Lazy("preprocess.cli.report", "report_command", "Summarise shards on one HTML page."),
    "sample-data": Lazy(
        "preprocess.cli.sample_data", "sample_data", "Draw synthetic people and garments in AI-Hub's layout."
    ),
    "subset": Lazy("preprocess.cli.folders.subset", "subset_shards", "Copy the samples that fulfil conditions."),
    "unpack": Lazy(
        "preprocess.cli.unpack", "unpack_table", "Write a table's photographs as a folder for prep annotate."
    ),
    "verify": Lazy("preprocess.cli.verify", "verify_shards", "Check shards: checksums, structure, members, leakage."),
    "weights": Lazy(
        "preprocess.cli.weights", "weights_command", "List or fetch the weights of the estimators of prep annotate."
    ),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tryon-cascade")
@traceback_option
def cli() -> None:
    """Turn a try-on dataset into WebDataset shards of (Ia, Jp, Ic, Jg)."""
    use_portable_code()


def main() -> None:
    """Run `prep`. Any error is reported as one line on stderr; exit code 2 for a user error, 1 for a bug."""
    run_program(
        "prep", lambda: cli.main(standalone_mode=False), interrupted="run the same command again to resume"
    )  # fmt: skip
