"""The command `trainer config`: all settings of a stage as YAML."""

from __future__ import annotations

import click

from common.options import examples
from train.cli.options import SETTINGS, GivenSettings
from train.configuration.settings import as_yaml, checked, given_settings
from train.configuration.stage_config import STAGES, Stage


@click.command("config", epilog=examples("trainer config --stage base --preset small > base.yaml"))
@click.option("--stage", type=click.Choice(STAGES), default="base", show_default=True, help="Whose settings.")
@SETTINGS
def config(stage: Stage, settings: GivenSettings) -> None:
    """Print all settings of a stage as YAML, which --config takes back; auto is chosen for the machine."""
    given = given_settings(settings.size, stage, settings.config, settings.assignments)
    click.echo(as_yaml(checked(given, stage), given), nl=False)
