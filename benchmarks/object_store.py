"""Compares a build from and to a folder with one from and to an S3 server: by default moto's, on loopback.

    python benchmarks/object_store.py --looks 80 --workers 2
    python benchmarks/object_store.py --src aihub/ --engine ray --workers 2
    AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=… python benchmarks/object_store.py --endpoint http://127.0.0.1:9000 \\
        --server-pid 4711

``--src`` takes a dataset that was drawn before, ``--endpoint`` another S3 server with an empty bucket named bucket;
``--server-pid`` names its processes, if they run on this machine, so that their processor time is counted as well, and
``--uploaded`` says that the dataset of ``--src`` is in the bucket already, below data/. The
engine builds from and to the store; the folder is always built by processes. Prints the seconds and the processor
seconds of planning, and of planning and building together; what the server took and, if it is moto, the requests that
it answered meanwhile; and whether the shards have the same bytes. A server on this machine uses the same cores: the
figures are what this machine does, not what a store across a network does.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUCKET = "bucket"
_SET_CHILD_SUBREAPER = 36
"""Of Linux's prctl."""


@dataclass(frozen=True)
class Spent:
    """What a command took."""

    seconds: float
    processor: float
    """Seconds of prep and all processes that it starts."""
    server: float
    """Processor seconds of the server."""
    requests: int | None
    """None if the server does not tell."""

    def __str__(self) -> str:
        requests = "not counted" if self.requests is None else self.requests
        return f"{self.seconds:.0f} | {self.processor:.1f} | {self.server:.1f} | {requests}"


@dataclass
class Server:
    """A server's processes, and the file that moto writes a line for each request to; no file for others."""

    pids: tuple[int, ...]
    log: Path | None

    def spent(self) -> tuple[float, int | None]:
        """Return its processor seconds and the number of requests so far."""
        ticks = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        requests = None if self.log is None else self.log.read_bytes().count(b" HTTP/1.1")
        return ticks / os.sysconf("SC_CLK_TCK"), requests


def main() -> None:
    """Draw looks, upload them, and build both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=80)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--src", type=Path, help="a dataset of AI-Hub's layout, instead of drawn looks")
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--endpoint", help="an S3 server with an empty bucket named bucket, instead of moto's")
    parser.add_argument("--server-pid", type=int, nargs="*", default=[], help="processes of the server at --endpoint")
    parser.add_argument("--uploaded", action="store_true", help="the bucket has the dataset of --src below data/")
    options = parser.parse_args()
    if options.uploaded and not (options.src and options.endpoint):
        parser.error("--uploaded: needs --src and --endpoint")
    adopt_orphans()
    with tempfile.TemporaryDirectory() as temporary, served(options, Path(temporary)) as server:
        folder = Path(temporary)
        data = options.src or folder / "aihub"
        if not options.src:
            prep(server, "sample-data", "--out", data, "--looks", options.looks)
        if not options.uploaded:
            started = time.monotonic()
            print(f"{upload(data, 'data')} files uploaded in {time.monotonic() - started:.0f} s", flush=True)
        print("| | s | processor s | server's | requests |\n|---|---|---|---|---|", flush=True)
        workers = ("--workers", options.workers)
        for name, src, out in (
            ("folder", data, folder / "shards"),
            ("s3", f"s3://{BUCKET}/data", f"s3://{BUCKET}/shards"),
        ):
            planned = prep(server, "build-shards", "--src", src, "--out", f"{out}-plan", "--plan-only", *workers)
            print(f"| {name}: planning | {planned} |", flush=True)
            engine = ("--engine", options.engine) if name == "s3" else ()
            built = prep(server, "build-shards", "--src", src, "--out", out, *workers, *engine)
            print(f"| {name}: planning and building | {built} |", flush=True)
        fetch("shards", folder / "back")
        names = sorted(path.name for path in (folder / "shards").iterdir())
        same = all((folder / "shards" / name).read_bytes() == (folder / "back" / name).read_bytes() for name in names)
        print(f"{len(names)} files, the same bytes: {same}")


def prep(server: Server, *words: object) -> Spent:
    """Run prep; return what it took."""
    started, before, (server_before, asked) = time.monotonic(), os.times(), server.spent()
    done = subprocess.run([sys.executable, "-m", "preprocess", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    reap_orphans(server)
    after, (server_after, answered) = os.times(), server.spent()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    requests = None if answered is None or asked is None else answered - asked
    return Spent(time.monotonic() - started, processor, server_after - server_before, requests)


def adopt_orphans() -> None:
    """Become the parent of processes whose parent ends: workers are children of multiprocessing's server, or Ray's."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl: cannot adopt the processes of prep")


def reap_orphans(server: Server) -> None:
    """Wait for all processes but the server, at most 30 s, so that their processor time is counted."""
    kept = set(server.pids)
    for _ in range(300):
        children = {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
        if not children - kept:
            return
        for pid in children - kept:
            os.waitpid(pid, os.WNOHANG)
        time.sleep(0.1)


@contextmanager
def served(options: argparse.Namespace, folder: Path) -> Iterator[Server]:
    """Run moto's server in a process of its own, with an empty bucket, unless there is one; point clients to it."""
    import socket

    os.environ.update(AWS_DEFAULT_REGION="us-east-1", NO_PROXY="127.0.0.1")
    if options.endpoint:
        os.environ["AWS_ENDPOINT_URL"] = options.endpoint
        yield Server(tuple(options.server_pid), None)
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ.update(
        AWS_ACCESS_KEY_ID="somebody", AWS_SECRET_ACCESS_KEY="secret", AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}"
    )
    log = folder / "moto.log"
    with log.open("wb") as lines:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=lines)
    try:
        for _ in range(240):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        store().mkdir(BUCKET)
        yield Server((process.pid,), log)
    finally:
        process.terminate()
        process.wait()


def store() -> Any:
    """Return the store's file system."""
    import s3fs

    return s3fs.S3FileSystem()


def upload(folder: Path, name: str) -> int:
    """Put a folder into the bucket; return the number of files."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    store().put([str(folder / path) for path in names], [f"{BUCKET}/{name}/{path}" for path in names])
    return len(names)


def fetch(name: str, folder: Path) -> None:
    """Get a folder of the bucket."""
    folder.mkdir()
    files = store()
    for key in files.ls(f"{BUCKET}/{name}", detail=False):
        (folder / key.rpartition("/")[2]).write_bytes(files.cat_file(key))


if __name__ == "__main__":
    main()
