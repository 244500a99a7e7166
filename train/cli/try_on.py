"""The command `trainer try-on`: photographs in, those of people out, in other garments."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from common.errors import UserError
from common.options import FILE, FOLDER, examples, options_of
from common.progress import progress_bar
from schemas import Garment
from train.cli.choices.shared_options import ANNOTATE, CASCADE, CHECKPOINT, FAST, SEED, WEIGHTS
from train.hardware.world import SINGLE_PROCESS
from train.inference.cascade import Overrides
from train.inference.outfits.pairs_list import read_requests
from train.inference.outfits.photographs import Prep, PrepError
from train.inference.outfits.results import PHOTOGRAPHS, ResultWriter
from train.inference.outfits.wearing import Preparation, TryOnRequest, prepare, wear
from train.inference.sharing.opening_cascades import open_cascade
from train.runs.checkpoint_choice import CheckpointChoice


@dataclass(frozen=True)
class PhotographChoice:
    """Whom to dress in what: one person, or a list."""

    person: Path | None
    garments: tuple[Path, ...]
    kinds: tuple[Garment, ...]
    pairs: Path | None

    def requests(self) -> Sequence[TryOnRequest]:
        """Return what is to be made. Raise UserError for options that do not go together."""
        if self.pairs:
            if self.person or self.garments or self.kinds:
                raise UserError(
                    "--pairs: its lines name people, garments and kinds; leave out --person, --garment, --kind"
                )
            return read_requests(self.pairs)
        if not self.person or not self.garments:
            raise UserError("give --person and --garment, or --pairs")
        return [TryOnRequest(self.person, self.garments, self.kinds)]


_CHOICE = options_of(
    PhotographChoice,
    "choice",
    click.option("--person", type=FILE, help="Photograph of a person."),
    click.option(
        "--garment", "garments", type=FILE, multiple=True,
        help="Photograph of a garment; repeatable, one after the other.",
    ),
    click.option(
        "--kind", "kinds", type=click.Choice(["upper", "lower", "dress"]), multiple=True,
        help="Kind of each garment.  [default: as its outline tells]",
    ),
    click.option("--pairs", type=FILE, help="CSV file of photographs: person, garment (top.jpg|trousers.jpg), kind."),
)  # fmt: skip


@click.command(
    "try-on",
    epilog=examples(
        "trainer try-on --person me.jpg --garment shirt.jpg --weights weights/",
        "trainer try-on --person me.jpg --garment shirt.jpg --garment trousers.jpg --weights weights/",
        "trainer try-on --pairs pairs.csv --weights weights/",
    ),
)
@_CHOICE
@CASCADE
@CHECKPOINT
@click.option("--out", type=FOLDER, default=Path("try-on"), show_default=True, help="Folder for the images.")
@WEIGHTS
@ANNOTATE
@FAST
@SEED
def try_on(
    choice: PhotographChoice,
    runs: Path,
    checkpoint: CheckpointChoice,
    out: Path,
    weights: tuple[Path, ...],
    annotate: tuple[str, ...],
    fast: bool,
    seed: int,
) -> None:
    """Dress the person in one photograph in the garments of others.

    Writes the photograph, of which only what the garments may cover is replaced, and the network's square image.
    Needs the estimators: pip install 'tryon-cascade[estimate]'. Exit code 1 if some photographs of a list
    cannot be used.
    """
    requests = choice.requests()
    stages = open_cascade(runs, SINGLE_PROCESS.device, checkpoint=checkpoint)
    try:
        preparation = prepare(requests, out, Prep(weights, annotate))
    except PrepError as error:
        if error.code != 2:  # with 2, prep's one line says all
            click.echo(f"trainer: {error}; see above and {out}", err=True)
        sys.exit(error.code)
    if not choice.pairs:
        preparation.only()
    _say_kinds(preparation, "its kind in the list" if choice.pairs else "--kind")
    writer = ResultWriter(out, stages, seed, Overrides(fast=fast))
    with progress_bar("sampling") as progress:
        for done, (number, prepared) in enumerate(preparation.prepared.items()):
            progress(done, len(preparation.prepared))
            dressed = wear(
                prepared, stages, seed=seed, overrides=Overrides(fast=fast), device=SINGLE_PROCESS.device
            )  # fmt: skip
            writer.write(prepared, dressed, _name(requests[number]))
        progress(len(preparation.prepared), len(preparation.prepared))
    for name in writer.names:
        click.echo(f"photograph: {out / PHOTOGRAPHS / name}")
        click.echo(f"image of {stages[-1].config.size}²: {out / name}")
    if writer.names:
        click.echo(f"contact sheet: {writer.write_sheet()}")
    for number, why in sorted(preparation.refused.items()):
        click.echo(f"trainer: {_name(requests[number])}: {why}", err=True)
    if preparation.refused:
        sys.exit(1)


def _say_kinds(preparation: Preparation, option: str) -> None:
    """Say which kinds were guessed, so that a wrong one can be corrected by ``option``."""
    guessed: dict[Path, Garment] = {}
    for prepared in preparation.prepared.values():
        for pair, kind in zip(prepared.request.pairs, prepared.kinds, strict=True):
            if pair.kind is None:
                guessed[pair.garment] = kind
    for path, kind in guessed.items():
        click.echo(f"{path.name}: guessed to be {kind}; if that is wrong, give {option}", err=True)


def _name(request: TryOnRequest) -> str:
    """Return a file name that says who wears what."""
    stems = [re.sub(r"[^\w-]+", "-", path.stem).strip("-")[:60] or "photo" for path in request.garments]
    person = re.sub(r"[^\w-]+", "-", request.person.stem).strip("-")[:60] or "photo"
    return f"{person}__{'+'.join(stems)}"[:180]
