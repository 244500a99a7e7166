"""`prep report`: reads all shards once, chooses the samples to show, writes the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from common.page import write_page
from common.storage import Storage, open_storage
from preprocess.inspection.page.choose import choose, round_robin
from preprocess.inspection.page.document import MOST_REJECTS, Content, open_templates, render
from preprocess.inspection.page.doubts import doubts_of
from preprocess.inspection.page.entry import ShardScan
from preprocess.inspection.page.figures import count_tables, doubt_table, histograms, known_keypoints, reject_table
from preprocess.inspection.page.leaks import find_leaks
from preprocess.inspection.page.outcomes import groups, outcome_bar, reject_examples
from preprocess.inspection.page.reject_pictures import check_source, reject_pictures
from preprocess.inspection.page.scan import scan_shard
from preprocess.inspection.page.sheet import make_cards
from preprocess.inspection.verification import open_plan
from preprocess.sharding.folder import read_near_duplicates
from preprocess.sources import Files
from preprocess.workers import in_processes
from schemas import Plan, layout_of


@dataclass(frozen=True)
class Summary:
    """Main figures of the page."""

    samples: int
    shown: int
    doubtful: int
    leaks: int
    damages: int
    bytes: int


def write_report(
    location: Path | str | Storage,
    out: Path,
    workers: int,
    progress: Callable[[int, int], None],
    source: Files | None = None,
) -> Summary:
    """Write the page about a folder of shards; ``progress`` is called with (shards read, total).

    With ``source``, the dataset that they were built from, rejected records are shown, too. The folder is only read.
    The same shards give the same page. Unreadable samples are listed on it. Raise UserError if there are no shards, a
    worker was killed, or the page cannot be written.
    """
    folder = open_storage(location, "--shards")
    templates, plan = open_templates(), open_plan(folder)
    if source is not None:
        check_source(source, plan.configuration.source)
    scans: list[ShardScan] = []
    progress(0, len(plan.shards))
    layout = layout_of(plan.configuration)
    work = [(folder, shard, layout) for shard in plan.shards]
    for scan in in_processes(scan_shard, work, min(workers, max(1, len(work)))):
        scans.append(scan)
        progress(len(scans), len(work))
    content = _content(folder, plan, scans, source)
    page = render(templates, content)
    write_page(out, page)
    return Summary(
        samples=content.samples,
        shown=len(content.cards),
        doubtful=content.choice.doubtful_in_all,
        leaks=len(content.leaks.proven),
        damages=len(content.damages),
        bytes=len(page),
    )


def _content(folder: Storage, plan: Plan, scans: Sequence[ShardScan], source: Files | None) -> Content:
    entries = [entry for scan in scans for entry in scan.entries]
    leaks = find_leaks(scans)
    doubts = {entry.key: doubts_of(entry, entry.key in leaks.keys) for entry in entries}
    choice = choose(entries, doubts)
    cards = {card.entry.key: card for card in make_cards(folder, plan, choice.entries)}
    rejects = [(reject.reason, (scan.split, reject)) for scan in scans for reject in scan.rejects]
    rejects_shown = list(islice(round_robin(rejects), MOST_REJECTS))
    examples = reject_examples(rejects_shown)
    wanted = {reject.key for rejects_of_reason in examples.values() for reject in rejects_of_reason}
    pictures = reject_pictures(source, plan.configuration, wanted) if source is not None and wanted else {}
    cards_shown = [(cards[entry.key], doubts[entry.key]) for entry in choice.entries if entry.key in cards]
    by_split: Counter[str] = Counter()
    for scan in scans:
        by_split[scan.split] += len(scan.entries)
    return Content(
        name=folder.name,
        plan=plan,
        by_split=by_split,
        counts=count_tables(scans),
        rejects=reject_table(scans),
        rejects_shown=rejects_shown,
        doubts=doubt_table(scans, doubts),
        outcomes=outcome_bar(scans, doubts),
        groups=groups(scans, doubts, cards_shown, examples, pictures),
        has_source=source is not None,
        histograms=histograms(entries),
        known=known_keypoints(entries),
        leaks=leaks,
        near_duplicates=read_near_duplicates(folder),
        damages=[damage for scan in scans for damage in scan.damages],
        choice=choice,
        cards=cards_shown,
    )
