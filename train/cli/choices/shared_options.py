"""Options shared by several commands of `trainer`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from common.errors import UserError
from common.options import FILE, FOLDER, SEED_RANGE, Location, options_of
from train.configuration.presets import Preset
from train.data.blend import Source
from train.runs.checkpoint_choice import CheckpointChoice

RUNS = click.option("--runs", type=FOLDER, default=Path("runs"), show_default=True, help="Folder with the run folders.")
CASCADE = click.option(
    "--runs", type=FOLDER, default=Path("runs"), show_default=True,
    help="Folder with the run folders, or what trainer export wrote.",
)  # fmt: skip
SHARDS = click.option(
    "--shards", type=Location(), required=True, metavar="FOLDER|URL",
    help="Output of prep build-shards: a folder, or a URL such as s3://bucket/shards.",
)  # fmt: skip
SOURCES = click.option(
    "--shards", "sources", multiple=True, required=True, metavar="FOLDER|URL[=SHARE]",
    callback=lambda _context, _option, values: tuple(map(Source.parse, values)),
    help="Output of prep build-shards; repeatable, to train on several: each may have its share of the samples, as in "
    "b/=0.3, and those without share the rest by their sizes.",
)  # fmt: skip
WEIGHTS = click.option(
    "--weights", type=click.Path(path_type=Path), multiple=True, metavar="FILE|FOLDER",
    help="Weights of prep's pose and mask estimators; repeatable.",
)  # fmt: skip
ANNOTATE = click.option(
    "--annotate", "annotate", default="", metavar="OPTIONS", callback=lambda _context, _option, text: _words(text),
    help="Further options of prep annotate in one argument, see prep annotate --help.",
)  # fmt: skip
FAST = click.option("--fast", is_flag=True, help="Use dpmpp_2m with at most 25 steps per stage.")
SPLIT = click.option(
    "--split", type=click.Choice(["val", "train"]), default="val", show_default=True, help="Split to take people from."
)
SEED = click.option(
    "--seed",
    type=SEED_RANGE,
    default=0,
    show_default=True,
    help="Random seed; the same seed gives the same result.",
)
SOURCE = click.option(
    "--src", type=click.Path(path_type=Path), default=None, metavar="FOLDER",
    help="What the shards were built from: the whole photographs are made as well.",
)  # fmt: skip
LABELS = click.option(
    "--labels", type=click.Path(path_type=Path), default=None, metavar="FOLDER",
    help="Label files of the people in --src, if not in it: what prep annotate wrote.",
)  # fmt: skip
HOST = click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0: every address of this machine, so that the network can reach it.",
)
CHECKPOINT = click.option(
    "--checkpoint", multiple=True, metavar="best|last|STEP", callback=lambda _context, _option, values:
    CheckpointChoice.parse(values),
    help="Checkpoint to load: best by validation loss, last, or that of a step; base=STEP for one stage, repeatable.  "
    "[default: last]",
)  # fmt: skip
JSON = click.option("--json", "as_object", is_flag=True, help="Print one JSON object.")


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"--annotate {text!r}: {error}; close the quotes") from error


def port_option(default: int) -> Callable[[Any], Any]:
    """Return the option --port with its default."""
    return click.option(
        "--port", type=click.IntRange(0, 65535), default=default, show_default=True,
        help="Port to listen on; 0: any free port.",
    )  # fmt: skip


@dataclass(frozen=True)
class SettingOptions:
    """A stage's settings as given on the command line."""

    preset: Preset | None
    config: Path | None
    assignments: tuple[str, ...]

    @property
    def size(self) -> Preset:
        """The preset, or the machine's default: small on a GPU, nano on a CPU."""
        import torch

        return self.preset or ("small" if torch.cuda.is_available() else "nano")


SETTINGS = options_of(
    SettingOptions,
    "settings",
    click.option(
        "--preset", type=click.Choice(["nano", "small", "large", "paper"]), default=None,
        help="Size of the cascade.  [default: nano on a CPU, small on a GPU]",
    ),
    click.option(
        "--config", type=FILE, default=None,
        help="YAML file of settings; see trainer config.",
    ),
    click.option(
        "--set", "assignments", multiple=True, metavar="NAME=VALUE",
        help="Override one setting, e.g. optim.lr=1e-4; repeatable.",
    ),
)  # fmt: skip
