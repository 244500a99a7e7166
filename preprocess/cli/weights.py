"""`prep weights`: lists and fetches the networks' weights that `prep annotate` uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from common.errors import UserError
from common.options import FOLDER, examples
from preprocess.annotation.estimators.choice import Wanted, lacking_weights
from preprocess.annotation.fetching.catalogue import BY_NAME, CATALOGUE, File
from preprocess.annotation.fetching.known_weights import weights_folder
from preprocess.cli.estimator_options import fetch_weights

_TO = click.option(
    "--to", type=FOLDER, default=None, help="Folder for the weights.  [default: TRYON_WEIGHTS, or one in ~/.cache]"
)


@click.group("weights", epilog=examples("prep weights list", "prep weights fetch"))
def weights_command() -> None:
    """List or fetch the weights of the estimators. Nothing is fetched unless it is asked for."""


@weights_command.command("list", epilog=examples("prep weights list", "prep weights list --json"))
@_TO
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_weights(to: Path | None, as_json: bool) -> None:
    """List the weights that are known by name: licence, size, checksum, and whether they are there."""
    folder = to or weights_folder()
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "weights": [_described(name, folder) for name in BY_NAME]}))
        return
    click.echo(f"in {folder}:")
    for weights in CATALOGUE:
        here = all((folder / file.name).is_file() for file in weights.files)
        click.echo(f"\n{weights.name}{' (here)' if here else ''}: {weights.estimates}\n  licence: {weights.licence}")
        for file in weights.files:
            click.echo(f"  {file.name}, {_size(file)}, sha256 {file.sha256 or 'as its server states it'}")
            click.echo(f"  {file.url}")


@weights_command.command(
    "fetch", epilog=examples("prep weights fetch", "prep weights fetch pose_landmarker_full u2net --to weights/")
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_TO
@click.option("--mirror", default="", metavar="URL", help="Fetch the files from below this URL, under the same names.")
def fetch(names: tuple[str, ...], to: Path | None, mirror: str) -> None:
    """Fetch weights by name; without a name those that `prep annotate` lacks.

    An interrupted download is resumed. Every file is checked before it gets its name. Proxies are those of the
    environment: HTTPS_PROXY, NO_PROXY.
    """
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise UserError(f"{unknown[0]!r} is not known; one of {', '.join(BY_NAME)}")
    folder = to or weights_folder()
    wanted = Wanted(weights=(folder,) if folder.is_dir() else ())
    missing = names or lacking_weights(wanted, ("pose", "people", "garments"))
    for name in missing:
        for path in fetch_weights(name, folder, mirror):
            click.echo(path)
    if not missing:
        click.echo(f"nothing to fetch: prep annotate has all that it needs ({folder})")


def _described(name: str, folder: Path) -> dict[str, Any]:
    weights = BY_NAME[name]
    files = [
        {"path": str(folder / file.name), "url": file.url, "sha256": file.sha256 or None, "size": file.size}
        for file in weights.files
    ]
    here = all((folder / file.name).is_file() for file in weights.files)
    return {
        "name": name, "estimates": weights.estimates, "licence": weights.licence, "here": here, "files": files,
    }  # fmt: skip


def _size(file: File) -> str:
    return f"{file.size / 1e6:.0f} MB" if file.size else "size as its server states it"
