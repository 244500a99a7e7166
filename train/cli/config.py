"""The command `trainer config`: all settings of a stage as YAML."""

from __future__ import annotations

import click

from common.options import examples
from train.cli.choices.shared_options import SETTINGS, SettingOptions
from train.configuration.settings import as_yaml, merge_settings, validated_config
from train.configuration.stage_config import STAGES, Stage


@click.command("config", epilog=examples("trainer config --stage base --preset small > base.yaml"))
@click.option("--stage", type=click.Choice(STAGES), default="base", show_default=True, help="Stage to print.")
@SETTINGS
def config(stage: Stage, settings: SettingOptions) -> None:
    """Print all settings of a stage as YAML, to be passed to --config.

    Settings shown as auto are chosen for the machine when training starts.
    """
    given = merge_settings(settings.size, stage, settings.config, settings.assignments)
    click.echo(as_yaml(validated_config(given, stage), given), nl=False)
