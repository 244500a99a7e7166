"""Check of a whole folder: each shard in parallel, then everything that concerns several shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.storage import Storage, open_storage
from common.text import one_line
from preprocess.inspection.verification.leakage import id_leaks, image_leaks, repeated_keys
from preprocess.inspection.verification.problem import Problem
from preprocess.inspection.verification.shard_check import ShardReport, verify_shard
from preprocess.sharding.folder import Done, make_manifest, names_of, reject_lines
from preprocess.workers import open_pool
from schemas import MANIFEST, PLAN, REJECTS, Manifest, Plan, layout_of

ProgressCall = Callable[[int, int], None]
"""Called with (shards checked, total)."""

_TEMPORARY = ".tmp"
_ENERGON, _ENERGON_INDEX = ".nv-meta", ".idx"
"""A folder, and the ending of a file beside each tar, that Megatron-Energon's `energon prepare` adds."""


@dataclass(frozen=True)
class Report:
    """Result of a verification: counts of the tars' content, and all problems, sorted.

    ``notes`` need human judgement: near-duplicate images in two splits, which may be one image saved twice, or two
    plain garments of the same cut and colour; and item ids in two splits, which may be one garment, or two garments
    that happen to have the same number.
    """

    samples: int
    rejects: int
    shards: int
    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(location: Path | str | Storage, workers: int, progress: ProgressCall) -> Report:
    """Check everything in a folder of shards, without writing to it.

    Raise UserError if it holds no shards, or a worker was killed.
    """
    folder = open_storage(location, "--shards")
    plan = open_plan(folder)
    reports: list[ShardReport] = []
    names = [shard.name for shard in plan.shards]
    progress(0, len(names))
    try:
        with open_pool(min(workers, max(1, len(names)))) as pool:
            layout = layout_of(plan.configuration)
            futures = [pool.submit(verify_shard, folder, shard, plan.fingerprint, layout) for shard in plan.shards]
            for number, future in enumerate(futures, 1):
                reports.append(future.result())
                progress(number, len(names))
    except BrokenProcessPool as error:
        raise UserError(f"--shards {folder}: a worker was killed; run again with fewer --workers") from error
    problems = [problem for report in reports for problem in report.problems]
    problems += _odd_files(folder, plan)
    problems += _documents(folder, plan, [report.done for report in reports])
    by_name = list(zip(names, reports, strict=True))
    problems += repeated_keys([(name, report.keys) for name, report in by_name])
    facts = [(name, report.facts) for name, report in by_name]
    leaks = [*id_leaks(facts), *image_leaks(facts)]
    problems += [problem for problem, proven in leaks if proven]
    return Report(
        samples=sum(report.samples for report in reports),
        rejects=sum(report.done.entry.rejects for report in reports if report.done),
        shards=len(names),
        problems=tuple(sorted(set(problems))),
        notes=tuple(sorted(problem for problem, proven in leaks if not proven)),
    )


def open_plan(folder: Storage) -> Plan:
    """Return the plan of a folder of shards. Raise UserError if there is no readable one."""
    try:
        return Plan.model_validate_json(folder.read(PLAN))
    except OSError as error:
        raise UserError(
            f"--shards {folder}: no {PLAN} in it; give a folder that prep build-shards has written"
        ) from error
    except ValueError as error:
        raise UserError(
            f"--shards {folder}: {PLAN} is damaged or of another version; build the shards again"
        ) from error


def _odd_files(folder: Storage, plan: Plan) -> Iterator[Problem]:
    known, indexed = names_of(plan.shards), {f"{shard.name}{_ENERGON_INDEX}" for shard in plan.shards}
    for name in folder.names():
        if name == _ENERGON or name in indexed:
            continue
        if name.endswith(_TEMPORARY):
            yield Problem(name, "", "", "a temporary file of a killed run, or of one that is still running")
        elif name not in known:
            yield Problem(name, "", "", "does not belong to the plan")
        elif not folder.is_file(name):
            yield Problem(name, "", "", "a link or a folder, not a file")


def _documents(folder: Storage, plan: Plan, done: list[Done | None]) -> Iterator[Problem]:
    """Compare the manifest and the rejects with the indices, and the plan with itself."""
    if sum(shard.records for shard in plan.shards) != plan.records:
        yield Problem(PLAN, "", "", f"{plan.records} records, but its shards have a different total")
    finished = [shard for shard in done if shard is not None]
    lost = plan.records - sum(shard.entry.samples + shard.entry.rejects for shard in finished)
    if lost:
        yield Problem("", "", "", f"{plan.records} records were planned: {lost} are neither samples nor rejects")
    yield from _check_rejects(folder, reject_lines(finished))
    yield from _check_manifest(folder, make_manifest(plan, finished))


def _check_rejects(folder: Storage, expected: bytes) -> Iterator[Problem]:
    try:
        existing = folder.read(REJECTS)
    except OSError:
        yield Problem(REJECTS, "", "", "missing: the build was not finished")
        return
    ours, theirs = expected.decode().split("\n"), existing.decode(errors="replace").split("\n")
    for line in sorted(set(ours) - set(theirs)):
        yield Problem(REJECTS, "", "", f"lacks a reject of the indices: {line}")
    for line in sorted(set(theirs) - set(ours)):
        yield Problem(REJECTS, "", "", f"has a line that no index has: {line}")
    if existing != expected and set(ours) == set(theirs):
        yield Problem(REJECTS, "", "", "lines are repeated or in another order")


def _check_manifest(folder: Storage, expected: Manifest) -> Iterator[Problem]:
    try:
        existing = Manifest.model_validate_json(folder.read(MANIFEST))
    except OSError:
        yield Problem(MANIFEST, "", "", "missing: the build was not finished")
        return
    except ValueError as error:
        yield Problem(MANIFEST, "", "", f"does not fit the schema: {one_line(error)}")
        return
    for name, field in Manifest.model_fields.items():
        ours, theirs = getattr(expected, name), getattr(existing, name)
        if name != "shards" and ours != theirs:
            key = field.serialization_alias or name
            yield Problem(MANIFEST, "", "", f"{key} is {theirs}, but {ours} by the indices")
    entries = {entry.name: entry for entry in existing.shards}
    for entry in expected.shards:
        if entries.pop(entry.name, None) != entry:
            yield Problem(entry.name, "", "", f"its entry in {MANIFEST} differs from its index")
    for extra in entries:
        yield Problem(extra, "", "", f"in {MANIFEST}, but not finished")
