"""The command `prep build-shards`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click

from common.errors import UserError
from common.options import Location, examples, options_of
from common.progress import progress_bar
from common.storage import Storage, open_storage
from common.text import counted
from preprocess.cli.choices.output_options import FILTERS, SAMPLES, FilterChoice, SampleChoice
from preprocess.cli.choices.selected import select_records
from preprocess.cli.choices.table_options import TABLE, TableChoice
from preprocess.cli.label_table import given_table
from preprocess.cli.options import LABELS, SOURCE_OR_TABLE, UNPAIRED, WORKERS, contents_of, notice_links
from preprocess.faults import Exclusion, Fate, Fault
from preprocess.planning.datasets import recognise
from preprocess.planning.plan import PlannedRecords, make_plan
from preprocess.sharding import (
    Engine,
    Estimate,
    Node,
    RejectLimitError,
    Summary,
    build,
    check_content,
    estimate,
    in_worker_processes,
    ray_engine,
)
from preprocess.sharding.stored_plan import load_plan, store_plan
from preprocess.sources.files import Files
from preprocess.workers import cores
from schemas import CONDITIONING_SIZE, MANIFEST, PLAN, REJECTS, Configuration, Garment, Pairing, Source, Views


@dataclass(frozen=True)
class DataSelection:
    """Which dataset, and which of its pairs become samples."""

    source: Source | Literal["auto"]
    labels: str
    garment: Garment | Literal["all"]
    pairing: Pairing | Literal["both"]
    views: Views
    linings: bool
    unpaired: bool

    def configuration(self, files: Files, samples: SampleChoice, filters: FilterChoice) -> Configuration:
        """Return the settings that determine the shards' bytes. Raise UserError for an unknown kind of dataset.

        Without --labels their label table is None, to be inferred from the dataset.
        """
        source = recognise(files) if self.source == "auto" else self.source
        return Configuration(
            source=source,
            labels=given_table(self.labels, source),
            garment=self.garment,
            pairing=self.pairing,
            views=self.views,
            linings=self.linings,
            conditioning_size=CONDITIONING_SIZE,
            **samples.fields(),
            **filters.fields(),
        )


@dataclass(frozen=True)
class Machines:
    """Where shards are built: processes on this machine, several machines, or a Ray cluster."""

    workers: int | None
    engine: Literal["local", "ray"]
    ray_address: str | None
    node_rank: int
    num_nodes: int
    plan_only: bool
    from_plan: bool

    @property
    def processes(self) -> int:
        """Processes on this machine: as given, else one per core."""
        return self.workers or cores()

    def engine_function(self) -> Engine:
        """Return the engine that runs the shards' tasks. Raise UserError for --ray-address without --engine ray."""
        if self.engine == "ray":
            return ray_engine(self.ray_address)
        if self.ray_address:
            raise UserError(f"--ray-address {self.ray_address}: needs --engine ray; add it, or remove --ray-address")
        return in_worker_processes


_SELECTION = options_of(
    DataSelection,
    "selection",
    SOURCE_OR_TABLE,
    LABELS,
    click.option(
        "--garment", type=click.Choice(["upper", "lower", "dress", "all"]), default="upper", show_default=True,
        help="Garments to try on.",
    ),
    click.option(
        "--pairing", type=click.Choice(["item", "view", "both"]), default="item", show_default=True,
        help="item: product photo → person; view: another frame of the same look → person.",
    ),
    click.option(
        "--views", type=click.Choice(["front", "matching", "all"]), default="matching", show_default=True,
        help="front: front views only; matching: also backs with a photo of the garment's back, and neighbouring "
        "frames; all: every view with every photo. VITON-HD and Dress Code: matching keeps every view, too.",
    ),
    UNPAIRED,
    click.option("--linings", is_flag=True, help="Include the visible lining of a garment in Ic."),
)  # fmt: skip
_MACHINES = options_of(
    Machines,
    "machines",
    WORKERS,
    click.option(
        "--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
        help="Build in processes on this machine, or on a Ray cluster.",
    ),
    click.option(
        "--ray-address", metavar="HOST:PORT", help="Address of the cluster.  [default: RAY_ADDRESS, or a local one]"
    ),
    click.option("--node-rank", type=int, default=0, show_default=True, help="Rank of this machine, from 0."),
    click.option(
        "--num-nodes", type=int, default=1, show_default=True, help="Number of machines that build --out together."
    ),
    click.option("--plan-only", is_flag=True, help="Write the plan with its records to --out, and build nothing."),
    click.option("--from-plan", is_flag=True, help="Build by the plan that --plan-only wrote, whatever the options."),
)  # fmt: skip


@click.command(
    "build-shards",
    epilog=examples(
        "prep build-shards --src aihub/ --dry-run",
        "prep build-shards --src aihub/",
        "prep build-shards --src aihub/ --garment all --pairing both --out all-shards/",
        "prep build-shards --table pairs.csv --garment all",
    ),
)
@TABLE
@click.option(
    "--out", type=Location(), default=Path("shards"), show_default=True, help="Folder for the shards, or s3://…"
)
@_SELECTION
@SAMPLES
@FILTERS
@_MACHINES
@click.option("--retry-rejects", is_flag=True, help="Retry rejected records of a finished build after repair.")
@click.option(
    "--max-reject-rate",
    type=click.FloatRange(0, 1),
    default=None,
    help="Stop with exit code 1 if more than this share is rejected.",
)
@click.option("--dry-run", is_flag=True, help="Estimate size and time; write nothing.")
@click.option("--check", is_flag=True, help="First read all inputs of finished samples again: has any changed?")
def build_shards(
    dataset: TableChoice,
    out: Path | str,
    selection: DataSelection,
    samples: SampleChoice,
    filters: FilterChoice,
    machines: Machines,
    retry_rejects: bool,
    max_reject_rate: float | None,
    dry_run: bool,
    check: bool,
) -> None:
    """Build shards from a dataset; an interrupted build resumes when the command is run again."""
    started = time.monotonic()
    node = Node(machines.node_rank, machines.num_nodes)
    _check_alone(
        {
            "--dry-run": dry_run,
            "--retry-rejects": retry_rejects,
            "--plan-only": machines.plan_only,
            "--from-plan": machines.from_plan,
        }
    )
    if check and machines.from_plan:
        raise UserError("--check and --from-plan cannot be combined; use only one")
    engine = machines.engine_function()
    if machines.engine == "ray":  # worker processes have other working folders
        out = out.resolve() if isinstance(out, Path) else out
    files = dataset.open(selection.source, absolute=machines.engine == "ray")
    folder = open_storage(out, "--out")
    if not machines.from_plan:
        notice_links(files)
        configuration = selection.configuration(files, samples, filters)
        left_out, planned = _plan(files, folder, configuration, machines.processes, unpaired=selection.unpaired)
    else:
        left_out, planned = {}, load_plan(folder, node)
    if machines.plan_only:
        store_plan(folder, planned)
        pairs, shards = counted(planned.plan.records, "pair"), counted(len(planned.plan.shards), "shard")
        click.echo(f"planned: {pairs} in {shards}: {folder}/{PLAN}")
        return
    if check:
        _check(files, folder, planned, machines.processes)
    if dry_run:
        _print_estimate(estimate(files, folder, planned, machines.processes, node=node), folder)
        return
    with progress_bar("building") as progress:
        try:
            summary = build(
                files, folder, planned, machines.processes, progress,
                node=node, engine=engine, max_reject_rate=max_reject_rate, retry_rejects=retry_rejects,
            )  # fmt: skip
        except RejectLimitError as error:
            advice = "finished shards are kept; repair the files and run again with --retry-rejects"
            click.echo(f"prep: {error}; {advice}", err=True)
            sys.exit(1)
    print_summary(summary, folder, left_out, planned.plan.moved, time.monotonic() - started)
    empty = not summary.manifest.samples and not summary.shards_missing
    if empty or (max_reject_rate is not None and summary.reject_rate > max_reject_rate):
        sys.exit(1)


def _check_alone(given: dict[str, bool]) -> None:
    """Raise UserError if two of these options are given."""
    both = [option for option, is_given in given.items() if is_given]
    if len(both) > 1:
        raise UserError(f"{' and '.join(both)} cannot be combined; use only one")


def _plan(
    files: Files, out: Storage, configuration: Configuration, workers: int, *, unpaired: bool
) -> tuple[dict[str, int], PlannedRecords]:  # fmt: skip
    """Return what is excluded from the dataset, and the plan. Raise UserError if there is nothing to build."""
    chosen = select_records(files, out, configuration, workers, unpaired=unpaired)
    return chosen.data.left_out, make_plan(files, chosen.records, chosen.configuration, chosen.near_duplicates)


def _check(files: Files, out: Storage, planned: PlannedRecords, workers: int) -> None:
    with progress_bar("checking") as progress:
        unchanged = check_content(files, out, planned, workers, progress)
    click.echo(f"checked: the inputs of {unchanged} finished samples have not changed")


def _print_estimate(expected: Estimate, out: Storage) -> None:
    splits = ", ".join(f"{count} {split}" for split, count in expected.records_by_split.items())
    click.echo(
        f"to build in {out}: {counted(expected.records, 'pair')} ({splits or 'none'}) in "
        f"{counted(expected.shards, 'shard')}",
        nl=False,
    )
    click.echo(f", {counted(expected.shards_done, 'shard is', 'shards are')} done" if expected.shards_done else "")
    click.echo(
        f"about {expected.bytes / 1e6:.0f} MB in {expected.seconds:.0f} s, estimated from "
        f"{counted(expected.sampled, 'pair')}, {expected.rejected} of which would be rejected"
    )


def print_summary(summary: Summary, out: Storage, left_out: dict[str, int], moved: int, seconds: float) -> None:
    """Print what was built, and what was not."""
    manifest = summary.manifest
    where = f"{out}/{MANIFEST}"
    if summary.shards_missing:
        missing = counted(summary.shards_missing, "shard of other nodes is", "shards of other nodes are")
        where = f"{out}; {missing} missing, so there is no {MANIFEST} yet"
    click.echo(f"{contents_of(manifest)}: {where}")
    if moved:
        click.echo(f"moved from val to train, as train has the same look, garment or image: {counted(moved, 'pair')}")
    excluded = {code: count for code, count in left_out.items() if count and code in set(Exclusion)}
    noted, repairs = ({fault.value for fault in Fault if fault.fate is fate} for fate in (Fate.NOTED, Fate.REPAIRED))
    # What is repaired while the lists are read is in no sample's JSON.
    repaired = Counter(manifest.repaired) + Counter({code: left_out[code] for code in repairs & left_out.keys()})
    for title, counts in (
        ("rejected", manifest.rejects_by_reason),
        ("repaired", {code: count for code, count in repaired.items() if code not in noted}),
        ("noted", {code: count for code, count in repaired.items() if code in noted}),
        ("skipped", {code: count for code, count in left_out.items() if code not in repairs and code not in excluded}),
        ("excluded", excluded),
    ):
        if counts:
            where = f"; {out}/{REJECTS} has the reasons" if title == "rejected" and not summary.shards_missing else ""
            click.echo(f"{title}: " + ", ".join(f"{count} {code}" for code, count in sorted(counts.items())) + where)
    if summary.records_built:
        pairs, speed = counted(summary.records_built, "pair"), summary.records_built / seconds
        click.echo(f"{pairs} in {seconds:.1f} s, {speed:.1f} pairs/s, {2 * speed:.1f} images/s")
    else:
        click.echo("nothing to do: all shards are built")
