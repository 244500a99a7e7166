"""The command `trainer sample`: people from the shards in other garments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from common.errors import UserError
from common.options import FILE, FOLDER, examples, options_of
from common.progress import progress_bar
from common.text import counted
from schemas import Split
from train.cli.choices.shared_options import CASCADE, CHECKPOINT, FAST, LABELS, SEED, SHARDS, SOURCE, SPLIT
from train.data import ShardFolder, open_shards
from train.diffusion.samplers import SAMPLERS
from train.hardware.world import SINGLE_PROCESS
from train.inference.cascade import Overrides
from train.inference.pair_selection import ALL_BOUND, Pair, all_pairs, keyed_pairs, pairs_from_file, swapped_pairs
from train.inference.pasting.source_images import source_of
from train.inference.sampling import PHOTOGRAPHS, sample_pairs
from train.inference.sharing.opening_cascades import open_cascade
from train.runs.checkpoint_choice import CheckpointChoice


@dataclass(frozen=True)
class PairSelection:
    """The pairs to sample: by key, from a file, all combinations, or a number of people from the split."""

    split: Split
    people: tuple[str, ...]
    garments: tuple[str, ...]
    pairs_file: Path | None
    everyone: bool
    pairs: int | None

    def refuse_conflicts(self) -> None:
        """Raise UserError if pairs are selected in more than one way."""
        ways = [self.people or self.garments, self.pairs_file, self.pairs is not None or self.everyone]
        if sum(map(bool, ways)) > 1:
            raise UserError(
                "conflicting pair selection; use only one of --person with --garment, --pairs-file, or --pairs"
            )

    def of(self, shards: ShardFolder) -> list[Pair]:
        """Return the pairs. Raise UserError for keys that are not in the shards."""
        if self.everyone:
            pairs, total = all_pairs(shards, self.pairs)
            click.echo(f"trainer: {len(pairs)} of {counted(total, 'pair')}", err=True)
            return pairs
        if self.pairs_file is not None:
            return pairs_from_file(shards, self.pairs_file)
        if self.people or self.garments:
            return keyed_pairs(shards, self.people, self.garments)
        return swapped_pairs(shards, self.pairs or 8)


_PAIRS = options_of(
    PairSelection,
    "selection",
    SPLIT,
    click.option(
        "--person", "people", multiple=True, metavar="KEY",
        help="Key of the sample whose person to dress; repeatable.",
    ),
    click.option(
        "--garment", "garments", multiple=True, metavar="KEY",
        help="Key of the sample whose garment to use, one per --person.",
    ),
    click.option("--pairs-file", type=FILE, help="CSV or TSV file with columns person, garment."),
    click.option(
        "--all", "everyone", is_flag=True,
        help=f"Every person in every garment; at most {ALL_BOUND} images, or --pairs.",
    ),
    click.option("--pairs", type=click.IntRange(min=1), default=None, help="Number of people to dress.  [default: 8]"),
)  # fmt: skip
_OVERRIDES = options_of(
    Overrides,
    "overrides",
    click.option(
        "--sampler", type=click.Choice(list(SAMPLERS)), default=None, help="Sampler.  [default: each stage's own]"
    ),
    click.option(
        "--steps", type=click.IntRange(min=1), default=None, help="Sampling steps.  [default: each stage's own]"
    ),
    FAST,
    click.option("--guidance", type=float, default=None, help="Guidance weight w.  [default: each stage's own]"),
    click.option(
        "--guidance-interval", type=(float, float), default=None, metavar="LOW HIGH",
        help="Times t in [0, 1], 1 pure noise, between which guidance is applied.  [default: each stage's own]",
    ),
)  # fmt: skip


@click.command(
    "sample",
    epilog=examples(
        "trainer sample --shards shards/ --pairs 4 --fast",
        "trainer sample --shards shards/ --src aihub/ --pairs 4",
        "trainer sample --shards s3://bucket/shards --pairs-file pairs.csv",
    ),
)
@CASCADE
@CHECKPOINT
@SHARDS
@SOURCE
@LABELS
@click.option("--out", type=FOLDER, default=Path("samples"), show_default=True, help="Folder for the images.")
@_PAIRS
@_OVERRIDES
@click.option("--ema/--no-ema", default=True, show_default=True, help="Use the EMA weights, or those of the last step.")
@SEED
def sample(
    runs: Path,
    checkpoint: CheckpointChoice,
    shards: Path | str,
    src: Path | None,
    labels: Path | None,
    out: Path,
    selection: PairSelection,
    overrides: Overrides,
    ema: bool,
    seed: int,
) -> None:
    """Dress people from the shards, by default the validation split, in other garments.

    Each image is a square of the network's size; with --src also the whole photograph, of which only what Ia hides is
    replaced.
    """
    selection.refuse_conflicts()
    if overrides.fast and (overrides.sampler or overrides.steps):
        raise UserError("--fast sets sampler and steps itself; remove --sampler and --steps, or --fast")
    stages = open_cascade(runs, SINGLE_PROCESS.device, "ema" if ema else "model", checkpoint)
    data = open_shards(shards, selection.split, stages[0].config.data)
    overrides.refuse_impossible(stages)
    pairs = selection.of(data)
    photographs = source_of(src, labels)
    with progress_bar("sampling") as progress:
        sheet = sample_pairs(
            stages, data, pairs, out, seed=seed, overrides=overrides, device=SINGLE_PROCESS.device, progress=progress,
            photographs=photographs,
        )  # fmt: skip
    click.echo(f"{counted(len(pairs), 'image')} of {stages[-1].config.size}² in {out}")
    if src:
        click.echo(f"whole photographs: {out / PHOTOGRAPHS}")
    click.echo(f"contact sheet: {sheet}")
