"""Builds shards on a Ray cluster: one task per planned shard, with the same function as the local worker processes.

This process is the driver; it alone counts records and writes plan, rejects and manifest. If a node dies, its task is
run again on another node: unfinished output is a temporary file or an aborted upload, and a finished shard gets the
same bytes again.
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
from preprocess.sharding.shared_counts import RejectCounter
from preprocess.sources import Files
from preprocess.workers import configure_worker, prepare_environment

_RETRIES = 3
"""Retries of a task whose worker or node was killed."""
_STORE = 100_000_000
"""Bytes of the object store of a cluster started by this process: it holds the dataset's listing, no images."""

_TIMEOUT = 10.0
"""Seconds to wait for the cluster's head to accept a connection."""

_Shared = tuple[Files, Storage]

_shared: dict[str, _Shared] = {}


def ray_engine(address: str | None) -> Engine:
    """Return the engine that builds on the cluster at ``address``.

    None means RAY_ADDRESS or, if that is not set, a local cluster that is started for the build. Raise UserError if Ray
    is not installed.
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
    """Connect to a cluster for the duration of the block. Raise UserError if there is none at the address."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # else Ray reports usage statistics
    prepare_environment()
    target = address or os.environ.get("RAY_ADDRESS")
    if target and target != "auto":
        _check_listens(target)
    own = {} if target else {"num_cpus": workers, "object_store_memory": _STORE, "include_dashboard": False}
    try:
        ray.init(address=target, log_to_driver=False, logging_level="ERROR", **own)
    except Exception as error:  # Ray raises Exception itself when a node of its own has not started within 30 s
        raise UserError(_cause_of(error, target)) from error
    try:
        yield
    finally:
        ray.shutdown()


def _cause_of(error: Exception, target: str | None) -> str:
    """Return the message for a cluster that cannot be joined or started."""
    if target:
        return f"--ray-address {target}: {one_line(error)}; give the address of a running cluster"
    return (
        f"--engine ray: Ray did not start on this machine ({one_line(error)}); run the same command again when it is "
        "less busy, or start a cluster with ray start --head and give its --ray-address"
    )


def _check_listens(address: str) -> None:
    """Raise UserError unless something listens at the address: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=_TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"--ray-address {address}: no cluster there ({error}); give HOST:PORT as printed by ray start --head"
        ) from error


def _counted(ray: Any, job: Job, future: Future[Done | Exception]) -> Future[Done]:
    """Return a future of the task's result, or of the error that it returned; count its records."""
    result: Future[Done] = Future()
    try:
        done = future.result()
    except ray.exceptions.RayTaskError:  # a bug, shown with the task's own traceback
        raise
    except ray.exceptions.RayError as error:
        done = UserError(
            f"--out {job.out}: a worker was killed {_RETRIES + 1} times ({type(error).__name__}), perhaps out of "
            "memory; run the same command again with more memory per CPU to resume"
        )
    if isinstance(done, Exception):
        result.set_exception(done)
    else:
        job.tally.count(done.entry.samples, done.entry.rejects)
        result.set_result(done)
    return result


def _build(shared: list[Any], name: str, work: ShardWork) -> Done | Exception:
    """Build a shard in a task; errors that the user can fix are returned, as Ray would wrap a raised exception."""
    if name not in _shared:  # a worker process runs many tasks, and the listing is large
        import ray

        configure_worker()
        _shared.clear()
        _shared[name] = ray.get(shared[0])
    files, out = _shared[name]
    try:
        return summary_of(build_shard(files, out, work, RejectCounter(None, 0, 0)))
    except (OSError, UserError) as error:
        return error
