"""A whole run: plan, build what is missing on all cores, and write the manifest last."""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import cv2

from preprocess.build.shard import ShardWork, build_shard, read_index
from preprocess.plan import PlannedRecords
from preprocess.sources import Files
from schemas import (
    MANIFEST,
    PLAN,
    REJECTS,
    Manifest,
    Plan,
    ShardEntry,
    ShardIndex,
    UserError,
    write_atomically,
)

ProgressCall = Callable[[int, int], None]
"""Called with (records done, records in all)."""

_MALLOC = {
    # Large blocks are kept instead of being given back to the kernel for every picture: decoding is about twice as
    # fast. glibc reads these once, when a process starts, so they are set for the workers before these are spawned.
    "MALLOC_MMAP_THRESHOLD_": str(1 << 25),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(1 << 26),
}


@dataclass(frozen=True)
class Summary:
    """What a run ended with: the manifest, and how many of its shards were found done."""

    manifest: Manifest
    shards_found: int
    records_built: int


def build(files: Files, out: Path, planned: PlannedRecords, workers: int, progress: ProgressCall) -> Summary:
    """Build every shard of the plan that is not done yet, then write rejects and manifest.

    Raise UserError where ``out`` cannot be written to, holds another plan, or a worker was killed.
    """
    plan = planned.plan
    _claim(out, plan)
    done = {shard.name: index for shard in plan.shards if (index := read_index(out, shard, plan.fingerprint))}
    work = [
        ShardWork(shard, planned.records[shard.name], plan.configuration, plan.fingerprint)
        for shard in plan.shards
        if shard.name not in done
    ]
    found = len(done)
    finished = built = sum(len(planned.records[name]) for name in done)
    progress(finished, plan.records)
    if work:
        (out / MANIFEST).unlink(missing_ok=True)
    for index in _run(files, out, work, workers):
        done[index.name] = index
        finished += len(planned.records[index.name])
        progress(finished, plan.records)
    manifest = _finish(out, plan, [done[shard.name] for shard in plan.shards])
    return Summary(manifest, found, finished - built)


def _claim(out: Path, plan: Plan) -> None:
    """Write the plan, or check that the folder holds this very one."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        existing = out / PLAN
        if existing.exists():
            held = Plan.model_validate_json(existing.read_bytes())
            if held.fingerprint != plan.fingerprint:
                raise UserError(
                    f"--out {out}: holds shards of other inputs or options (plan {held.fingerprint[:12]}, "
                    f"this run's is {plan.fingerprint[:12]}); give another --out, or remove the folder to build anew"
                )
            return
        write_atomically(existing, _pretty(plan))
    except OSError as error:
        raise UserError(f"--out {out}: {error.strerror}; give a folder that can be written to") from error
    except ValueError as error:
        raise UserError(f"--out {out}: {PLAN} cannot be read; give another --out, or remove the folder") from error


def _run(files: Files, out: Path, work: list[ShardWork], workers: int) -> Iterator[ShardIndex]:
    if not work:
        return
    os.environ.update({name: value for name, value in _MALLOC.items() if name not in os.environ})
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(work)), context, initializer=_start_worker) as pool:
        futures = [pool.submit(build_shard, files, out, shard) for shard in work]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise UserError(
                f"--out {out}: a worker was killed, perhaps for want of memory; "
                "run the same command again to go on, with fewer --workers"
            ) from error
        except OSError as error:
            raise UserError(f"--out {out}: {error.strerror}; make room and run the same command again") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    cv2.setNumThreads(1)


def _finish(out: Path, plan: Plan, indices: list[ShardIndex]) -> Manifest:
    """Write rejects, then the manifest; leftovers of runs that were killed go."""
    rejects = [reject for index in indices for reject in index.rejects]
    mended: Counter[str] = Counter()
    by_split: Counter[str] = Counter()
    for index in indices:
        mended.update(index.mended)
        by_split[index.split] += len(index.samples)
    manifest = Manifest(
        fingerprint=plan.fingerprint,
        configuration=plan.configuration,
        records=plan.records,
        samples=sum(by_split.values()),
        rejects=len(rejects),
        rejects_by_reason=_sorted(Counter(reject.reason for reject in rejects)),
        mended=_sorted(mended),
        samples_by_split=dict(by_split),
        shards=tuple(_entry(index) for index in indices),
    )
    for shard in plan.shards:
        for leftover in out.glob(f"{shard.name}.*.tmp"):
            leftover.unlink(missing_ok=True)
    write_atomically(out / REJECTS, _lines(reject.model_dump_json() for reject in rejects))
    write_atomically(out / MANIFEST, _pretty(manifest))
    return manifest


def _entry(index: ShardIndex) -> ShardEntry:
    return ShardEntry(
        name=index.name,
        split=index.split,
        samples=len(index.samples),
        rejects=len(index.rejects),
        bytes=index.bytes,
        sha256=index.sha256,
    )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _pretty(document: Plan | Manifest) -> bytes:
    return (document.model_dump_json(indent=2) + "\n").encode()
