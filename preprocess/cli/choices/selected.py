"""The records of a dataset that the options select, and what they are excluded for."""

from __future__ import annotations

from dataclasses import dataclass

from common.progress import progress_bar
from common.storage import Storage
from preprocess.cli.choices.table_options import notice_unused
from preprocess.cli.label_table import with_table
from preprocess.faults import Exclusion
from preprocess.loading.shown_views import front_views
from preprocess.planning.datasets import Dataset, check_not_empty, open_dataset
from preprocess.planning.drawn_records import drawn
from preprocess.planning.splits import find_near_duplicates, keep_together, without_near_duplicates
from preprocess.sharding import read_near_duplicates, read_plan
from preprocess.sources import Files, Record
from schemas import Configuration, NearDuplicates


@dataclass(frozen=True)
class Selected:
    """The records with the split that each is used in, and the configuration with its label table."""

    data: Dataset
    records: list[Record]
    near_duplicates: NearDuplicates
    configuration: Configuration


def select_records(
    files: Files, out: Storage, configuration: Configuration, workers: int, *, unpaired: bool = False
) -> Selected:
    """Open the dataset and select its records; ``unpaired`` as in `worn_garments`. Raise UserError without any."""
    data = open_dataset(files, configuration.source, unpaired=unpaired)
    notice_unused(data)
    records = list(data.records(configuration.garment, configuration.pairing, configuration.views))
    check_not_empty(files, data, records, configuration)
    records, labels = with_table(files, records, configuration.labels, _earlier_table(out, configuration))
    configuration = configuration.model_copy(update={"labels": labels})
    if configuration.views == "front" and data.source != "aihub":  # only their poses say which view it is
        with progress_bar("reading poses") as progress:
            records, others = front_views(files, records, workers, progress)
        data.excluded.update(others)
        check_not_empty(files, data, records, configuration)
    found = len(records)
    records = drawn(records, configuration)
    exclude(data, Exclusion.NOT_DRAWN, found - len(records))
    check_not_empty(files, data, records, configuration)
    with progress_bar("comparing") as progress:
        near_duplicates = find_near_duplicates(
            files, records, workers, progress, read_near_duplicates(out), within=configuration.distinct
        )
    together = keep_together(files, records, near_duplicates)
    distinct = without_near_duplicates(together, near_duplicates)
    exclude(data, Exclusion.NEAR_DUPLICATE, len(together) - len(distinct))
    return Selected(data, distinct, near_duplicates, configuration)


def exclude(data: Dataset, why: Exclusion, count: int) -> None:
    """Count pairs that the options exclude."""
    if count:
        data.excluded[why] += count


def _earlier_table(out: Storage, configuration: Configuration) -> str | None:
    """Return the label table of the folder's plan, if it is a plan of such a dataset."""
    plan = read_plan(out)
    return plan.configuration.labels if plan and plan.configuration.source == configuration.source else None
