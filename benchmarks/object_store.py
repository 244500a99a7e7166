"""Compares a build from and to a folder with one from and to an S3 server (moto's, on loopback).

    python benchmarks/object_store.py --looks 80 --workers 2
    python benchmarks/object_store.py --src aihub/ --engine ray --workers 2

``--src`` takes a dataset that was drawn before. The engine builds from and to the store; the folder is always built by
processes. Prints the seconds of both, of planning alone, and whether the shards have the same bytes. moto answers in
Python, in a process of its own, on the same cores: the figures are what this machine does, not what S3 does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUCKET = "bucket"


def main() -> None:
    """Draw looks, upload them, and build both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=80)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--src", type=Path, help="a dataset of AI-Hub's layout, instead of drawn looks")
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary, served():
        folder = Path(temporary)
        data = options.src or folder / "aihub"
        if not options.src:
            prep("sample-data", "--out", data, "--looks", options.looks)
        upload(data, "data")
        workers = ("--workers", options.workers)
        for name, src, out in (
            ("folder", data, folder / "shards"),
            ("s3", f"s3://{BUCKET}/data", f"s3://{BUCKET}/shards"),
        ):
            planning = prep("build-shards", "--src", src, "--out", f"{out}-plan", "--plan-only", *workers)
            engine = ("--engine", options.engine) if name == "s3" else ()
            building = prep("build-shards", "--src", src, "--out", out, *workers, *engine)
            print(f"{name}: planning {planning:.1f} s, planning and building {building:.1f} s", flush=True)
        fetch("shards", folder / "back")
        names = sorted(path.name for path in (folder / "shards").iterdir())
        same = all((folder / "shards" / name).read_bytes() == (folder / "back" / name).read_bytes() for name in names)
        print(f"{len(names)} files, the same bytes: {same}")


def prep(*words: object) -> float:
    """Run prep; return its seconds."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "preprocess", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.monotonic() - started


@contextmanager
def served() -> Iterator[None]:
    """Run moto's server in a process of its own, with an empty bucket, and point clients to it."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ.update(
        AWS_ACCESS_KEY_ID="somebody", AWS_SECRET_ACCESS_KEY="secret", AWS_DEFAULT_REGION="us-east-1",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}", NO_PROXY="127.0.0.1",
    )  # fmt: skip
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(120):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        store().mkdir(BUCKET)
        yield
    finally:
        server.terminate()
        server.wait()


def store() -> Any:
    """Return the store's file system."""
    import s3fs

    return s3fs.S3FileSystem()


def upload(folder: Path, name: str) -> None:
    """Put a folder into the bucket."""
    files = store()
    for path in folder.rglob("*"):
        if path.is_file():
            files.pipe_file(f"{BUCKET}/{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())


def fetch(name: str, folder: Path) -> None:
    """Get a folder of the bucket."""
    folder.mkdir()
    files = store()
    for key in files.ls(f"{BUCKET}/{name}", detail=False):
        (folder / key.rpartition("/")[2]).write_bytes(files.cat_file(key))


if __name__ == "__main__":
    main()
