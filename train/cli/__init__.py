"""The `trainer` command line. Results go to stdout, progress and messages to stderr; exit code 2 means a user error.

This file imports no torch, so that listing the commands is instant.
"""

from __future__ import annotations

import train.hardware.runtime  # isort: skip  # noqa: F401  before a command imports torch and numpy

import click

from common.lazy_group import Lazy, LazyGroup
from common.program import run_program, traceback_option
from common.standard_streams import open_missing_streams
from train.hardware.rank import is_main

COMMANDS = {
    "config": Lazy("train.cli.config", "config", "Print all settings of a stage as YAML, for --config."),
    "demo": Lazy("train.cli.demo", "demo_command", "Serve a web page for trying out a trained cascade."),
    "doctor": Lazy("train.cli.doctor", "doctor", "Check what would go wrong in a training run."),
    "ema": Lazy("train.cli.ema", "ema", "Write EMA weights of another length, chosen after training."),
    "evaluate": Lazy("train.cli.evaluate", "evaluate", "Measure PSNR, SSIM, LPIPS, FID and KID of sampled images."),
    "export": Lazy("train.cli.export", "export", "Write weights, configuration and model card to one folder."),
    "fit": Lazy("train.cli.fit", "fit", "Train the stages; an interrupted run resumes."),
    "plan": Lazy("train.cli.plan", "plan", "Plan the GPU memory that training takes; needs no GPU."),
    "report": Lazy("train.cli.report", "report_command", "Summarise training runs on one HTML page."),
    "sample": Lazy("train.cli.sample", "sample", "Dress people from the shards in other garments."),
    "serve": Lazy("train.cli.serve", "serve", "Serve an HTTP interface for programs: photographs in, one out."),
    "try-on": Lazy("train.cli.try_on", "try_on", "Dress the person in one photo in the garments of others."),
}


@click.group(cls=LazyGroup, lazy=COMMANDS, extra="train", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="tryon-cascade")
@traceback_option
def cli() -> None:
    """Train the cascade on shards, and dress people with it."""


def main() -> None:
    """Run `trainer`. Any error is reported as one line on stderr; exit code 2 for a user error, 1 for a bug."""
    open_missing_streams()
    run_program(
        "trainer", lambda: cli.main(standalone_mode=False), is_main=is_main(),
        interrupted="run the same command again to resume from the last checkpoint",
    )  # fmt: skip
