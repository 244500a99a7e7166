"""The command `prep extend`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from common.options import examples
from common.progress import progress_bar
from common.storage import open_storage
from common.text import counted
from preprocess.cli.build_shards import print_summary
from preprocess.cli.choices.selected import exclude, select_records
from preprocess.cli.choices.table_options import TABLE, TableChoice
from preprocess.cli.options import SHARDS, UNPAIRED, WORKERS, notice_links
from preprocess.faults import Exclusion
from preprocess.sharding import build
from preprocess.sharding.folder import disk_faults
from preprocess.sharding.reshaping.extension import open_base, plan_extension, prepare_extension
from preprocess.workers import cores


@click.command(
    "extend",
    epilog=examples("prep extend --shards shards/ --src aihub/", "prep extend --shards shards/ --table more.csv"),
)
@SHARDS
@TABLE
@UNPAIRED
@WORKERS
def extend_shards(shards: Path | str, dataset: TableChoice, unpaired: bool, workers: int | None) -> None:
    """Add a dataset's new records to finished shards, with the options that these were built with.

    Pairs that are for inference alone are added with --unpaired, whether or not the shards have such pairs already.
    New shards are written; the tars that exist are not touched. An interrupted run resumes when it is run again.
    """
    started = time.monotonic()
    folder, processes = open_storage(shards, "--shards"), workers or cores()
    with disk_faults(folder):
        base = open_base(folder)
        configuration = base.plan.configuration
        files = dataset.open(configuration.source, absolute=False)
        notice_links(files)
        chosen = select_records(files, folder, configuration, processes, unpaired=unpaired)
        planned, linking = plan_extension(files, base, chosen.records, chosen.near_duplicates)
        exclude(chosen.data, Exclusion.BETWEEN_SPLITS, linking)
        prepare_extension(base, planned.plan)
    with progress_bar("building") as progress:
        summary = build(files, folder, planned, processes, progress)
    new = sum(shard.records for shard in planned.plan.shards) - base.plan.records
    shards_added = len(planned.plan.shards) - len(base.plan.shards)
    click.echo(f"{counted(new, 'new record')} in {counted(shards_added, 'new shard')}")
    moved = planned.plan.moved - base.plan.moved
    print_summary(summary, folder, chosen.data.left_out, moved, time.monotonic() - started)
