"""A finished folder of shards, and copies of its shards in another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from common.errors import UserError
from common.storage import Storage, open_storage
from preprocess.planning.plan import fingerprint_of
from preprocess.sharding.build import finish
from preprocess.sharding.folder import claim, done_indices, names_of, read_index, summary_of, write_index
from preprocess.sharding.shard import HashedStream
from schemas import MANIFEST, META, PLAN, Configuration, Manifest, Plan, PlannedShard, Sample, ShardIndex, ShardSample

_CHUNK = 1 << 22
_AT_ONCE = 16

Fill = Callable[[PlannedShard], ShardIndex]
"""Writes one shard of the new plan and returns its index, which is not written yet."""


@dataclass(frozen=True)
class Finished:
    """A folder with its plan and the indices of all its shards."""

    folder: Storage
    plan: Plan
    indices: tuple[ShardIndex, ...]

    def samples(self) -> Iterator[tuple[ShardIndex, ShardSample, Sample]]:
        """Yield every sample with its description, which is read from its shard. Raise UserError if one is damaged."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for index in self.indices:
                described = pool.map(lambda sample, index=index: self._described(index, sample), index.samples)
                yield from ((index, *both) for both in zip(index.samples, described, strict=True))

    def _described(self, index: ShardIndex, sample: ShardSample) -> Sample:
        where = f"{self.folder.where(index.name)}: {sample.key}.{META}"
        try:
            return Sample.model_validate_json(self.folder.read_range(index.name, *sample.members[META]))
        except (KeyError, ValueError) as error:
            raise UserError(f"{where} is damaged; run prep verify, and build the shards again") from error


def open_finished(location: Path | str | Storage) -> Finished:
    """Open a folder. Raise UserError unless it is finished and its indices fit its plan."""
    folder = open_storage(location, "--shards")
    advice = "give a folder that prep build-shards has finished"
    try:
        Manifest.model_validate_json(folder.read(MANIFEST))
        plan = Plan.model_validate_json(folder.read(PLAN))
    except OSError as error:
        raise UserError(f"--shards {folder}: no {MANIFEST} or no {PLAN} in it; {advice}") from error
    except ValueError as error:
        raise UserError(f"--shards {folder}: {MANIFEST} or {PLAN} does not fit the schema; {advice}") from error
    indices = tuple(done_indices(folder, plan.shards))
    if len(indices) != len(plan.shards):
        found = {index.name for index in indices}
        missing = next(shard.name for shard in plan.shards if shard.name not in found)
        raise UserError(f"--shards {folder}: {missing} is missing or does not fit its index; run prep verify")
    return Finished(folder, plan, indices)


def make_plan_of(
    configuration: Configuration, libraries: dict[str, str], shards: Iterable[PlannedShard], moved: int
) -> Plan:
    """Return the plan of shards that exist elsewhere."""
    planned = tuple(shards)
    return Plan(
        fingerprint=fingerprint_of(configuration, planned, libraries),
        configuration=configuration,
        libraries=libraries,
        records=sum(shard.records for shard in planned),
        moved=moved,
        shards=planned,
    )


def fill_folder(
    location: Path | str | Storage, plan: Plan, sources: Iterable[Storage], fill: Fill,
    progress: Callable[[int, int], None],
) -> Manifest:  # fmt: skip
    """Write the shards of the plan that are missing, each followed by its index, and the manifest last.

    ``progress`` is called with (shards done, total). Raise UserError if the folder is one of the sources, or holds
    another plan.
    """
    out = open_storage(location, "--out")
    if any(str(source) == str(out) or _same_folder(source, out) for source in sources):
        raise UserError(f"--out {out}: is one of --shards; give another folder")
    claim(out, plan, None)
    out.remove_stale(names_of(plan.shards))
    done = {}
    progress(0, len(plan.shards))
    for number, shard in enumerate(plan.shards, 1):
        index = read_index(out, shard)
        if index is None or index.fingerprint != plan.fingerprint:
            out.remove(MANIFEST)
            index = fill(shard)
            write_index(out, index)
        done[shard.name] = summary_of(index)
        progress(number, len(plan.shards))
    return finish(out, plan, done)


def copy_shard(source: Storage, index: ShardIndex, out: Storage, name: str) -> None:
    """Copy a shard's bytes under a name. Raise UserError if they are not those that its index describes."""
    with source.open(index.name) as file, out.writing(name) as raw:
        stream = HashedStream(raw)
        while data := file.read(_CHUNK):
            stream.write(data)
        if (stream.size, stream.digest.hexdigest()) != (index.bytes, index.sha256):
            raise UserError(f"{source.where(index.name)}: its bytes have changed since it was built; run prep verify")


def _same_folder(one: Storage, other: Storage) -> bool:
    places = [str(storage) for storage in (one, other)]
    return all("://" not in place for place in places) and Path(places[0]).resolve() == Path(places[1]).resolve()
