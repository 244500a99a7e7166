"""Shards built by a Ray cluster: one task a planned shard, the same function as in the worker processes of one machine.

The driver, which alone counts and writes plan, rejects and manifest, is this process. A task whose node dies is run
again on another; what it had begun is a temporary file, or aborted, and what it had finished has the same bytes.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from common.errors import UserError
from common.storage import Storage
from common.text import one_line
from preprocess.sharding.folder import Done, summary_of
from preprocess.sharding.pool import Engine, Job, completed
from preprocess.sharding.shard import ShardWork, build_shard
from preprocess.sharding.shared_counts import Tally
from preprocess.sources import Files
from preprocess.workers import prepare_environment, settle

_RETRIES = 3
"""How often a task is run again whose worker or node was killed."""
_STORE = 100_000_000
"""Bytes of the object store of a cluster that this process starts: it holds the data set's listing, no pictures."""

_PATIENCE = 10.0
"""Seconds that the cluster's head is given to accept a connection."""

_Shared = tuple[Files, Storage]

_shared: dict[str, _Shared] = {}


def ray_engine(address: str | None) -> Engine:
    """Return the engine that builds on the cluster at ``address``.

    None is that of RAY_ADDRESS or, where this is not set, one on this machine alone for as long as the build takes.
    Raise UserError where Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError(
            "--engine ray: needs a package that is not installed; pip install 'tryon-cascade[ray]'"
        ) from error

    def build_all(job: Job, work: Sequence[ShardWork], workers: int) -> Generator[Future[Done] | None]:
        if not work:
            return
        with _cluster(ray, address, workers):
            shared = ray.put((job.files, job.out))
            task = ray.remote(num_cpus=1, max_retries=_RETRIES)(_build)
            references = [task.remote([shared], shared.hex(), shard) for shard in work]
            try:
                for future in completed(reference.future() for reference in references):
                    yield None if future is None else _counted(ray, job, future)
                    if job.tally.stopped:
                        return
            finally:
                for reference in references:
                    ray.cancel(reference, force=True)

    return build_all


@contextmanager
def _cluster(ray: Any, address: str | None, workers: int) -> Iterator[None]:
    """Be connected to a cluster. Raise UserError where there is none at the address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # else Ray reports to its makers
    prepare_environment()
    found = address or os.environ.get("RAY_ADDRESS")
    if found and found != "auto":
        _check_listens(found)
    own = {} if found else {"num_cpus": workers, "object_store_memory": _STORE, "include_dashboard": False}
    try:
        ray.init(address=found, log_to_driver=False, logging_level="ERROR", **own)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UserError(f"--ray-address {found}: {one_line(error)}; give the address of a cluster that runs") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_listens(address: str) -> None:
    """Raise UserError unless something listens at the address: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"--ray-address {address}: no cluster there ({error}); give HOST:PORT as ray start --head has told it"
        ) from error


def _counted(ray: Any, job: Job, future: Future[Done | Exception]) -> Future[Done]:
    """Return the future of what a task returned, or of the error that it returned; count its records."""
    result: Future[Done] = Future()
    try:
        done = future.result()
    except ray.exceptions.RayTaskError:  # a bug, told with the task's own traceback
        raise
    except ray.exceptions.RayError as error:
        done = UserError(
            f"--out {job.out}: a worker was killed {_RETRIES + 1} times ({type(error).__name__}), perhaps for want of "
            "memory; run the same command again to go on, with more memory a processor"
        )
    if isinstance(done, Exception):
        result.set_exception(done)
    else:
        job.tally.count(done.entry.samples, done.entry.rejects)
        result.set_result(done)
    return result


def _build(shared: list[Any], name: str, work: ShardWork) -> Done | Exception:
    """Build a shard in a task; what the user can mend is returned, as Ray would wrap what is raised."""
    if name not in _shared:  # a worker process runs many tasks, and the listing is large
        import ray

        settle()
        _shared.clear()
        _shared[name] = ray.get(shared[0])
    files, out = _shared[name]
    try:
        return summary_of(build_shard(files, out, work, Tally(None, 0, 0)))
    except (OSError, UserError) as error:
        return error
