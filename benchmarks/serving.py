"""Load and faults of `trainer serve`, on this machine's loopback: 8 clients, slow ones, broken uploads, gone senders.

    python benchmarks/serving.py [--runs demo/runs] [--requests 500]

A server in a process of its own answers with a cascade (without --runs an untrained one of a few thousand weights) on a
drawn photograph. `prep` runs once, before: what a request costs besides is decoding, sampling, pasting, encoding and
HTTP; `prep`'s own time is measured by benchmarks/photographs.py. Prints a Markdown table: requests and their answers,
seconds, and the server's resident memory, which must stay flat. Ends after about two minutes.
"""

from __future__ import annotations

import argparse
import http.client
import io
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

import train.hardware.runtime  # noqa: F401  malloc and OpenMP as `trainer` has them

CLIENTS = 8
SIDE = 480
"""Longer side of the photograph in pixels: a small one, so that 500 requests take two minutes."""
TINY = [
    "model.garment=cross-attention", "model.channels=[8,16]", "model.person_down=[1,1]", "model.garment_down=[1,1]",
    "model.garment_up=[1]", "model.attention_levels=[16]", "model.head_dim=8", "model.film_dim=16", "model.pose_dim=8",
    "sampling.steps=2",
]  # fmt: skip


def serve(folder: Path, runs: Path | None) -> None:
    """Serve until killed; print the port and the folder of what is being worked on."""
    import torch
    from aiohttp import web

    from train.configuration.settings import stage_config
    from train.data import ShardFolder
    from train.inference.cascade import Overrides, TrainedStage
    from train.inference.outfits.results import how_made
    from train.inference.outfits.wearing import Prepared, TryOnRequest, wear
    from train.inference.pair_selection import Pair
    from train.inference.pasting.source_images import SourceImages
    from train.inference.sampling import png_text
    from train.inference.sharing.opening_cascades import open_cascade
    from train.models import build_model
    from train.serving.api import ApiLimits, ApiState, make_api
    from train.serving.forms import FormLimits
    from train.serving.guard import open_socket
    from train.serving.jobs import Jobs, Photograph, Result

    device = torch.device("cpu")
    torch.set_num_threads(1)
    if runs:
        stages = open_cascade(runs, device)
    else:
        config = stage_config("nano", "base", None, TINY)
        stages = [TrainedStage(config, build_model(config.model).eval().requires_grad_(False), 0)]
    shards = ShardFolder(folder / "shards", "val")

    def make(request: TryOnRequest, seed: int, _: Path, check: Callable[[], None], on_step: object) -> Result:
        prepared = Prepared(request, shards, SourceImages(folder / "aihub"), (Pair(0, 0),), ("upper",))
        dressed = wear(
            prepared, stages, seed=seed, overrides=Overrides(), device=device, on_step=lambda *_: check()
        )  # fmt: skip
        made = dict(how_made(prepared, stages, seed, Overrides()))
        return Result({}, made, Photograph(dressed.photograph.png(png_text(made)), dressed.photograph.size))

    jobs = Jobs(CLIENTS)
    state = ApiState(jobs, make, {}, ApiLimits(form=FormLimits(seconds=3.0)))
    listening = open_socket("127.0.0.1", 0)
    jobs.start()
    print(listening.getsockname()[1], state.folder, flush=True)
    web.run_app(make_api(state, "127.0.0.1"), sock=listening, access_log=None, handler_cancellation=True, print=None)


def draw(folder: Path) -> bytes:
    """Draw a dataset and build shards of it; return the first sample's photograph, made small."""
    from train.data import ShardFolder

    def prep(*words: str) -> None:
        subprocess.run([sys.executable, "-m", "preprocess", *words], check=True, capture_output=True)

    prep("sample-data", "--out", str(folder / "aihub"), "--looks", "6", "--workers", "1")
    prep("build-shards", "--src", str(folder / "aihub"), "--out", str(folder / "shards"), "--garment", "upper")
    path = ShardFolder(folder / "shards", "val").sample(0).person.path
    with Image.open(folder / "aihub" / path) as photograph:
        photograph.thumbnail((SIDE, SIDE))
        buffer = io.BytesIO()
        photograph.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@dataclass
class Load:
    """What is sent, and what came back."""

    port: int
    pid: int
    form: bytes
    kind: str
    rows: list[str] = field(default_factory=list)

    def memory(self) -> float:
        """Return the server's resident memory in MiB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def post(self, body: bytes | None = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/v1/try-on", body or self.form, {"Content-Type": self.kind})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def until_made(self, _: int) -> float:
        """Post until the image comes, as a polite client does; return the seconds that it took."""
        began = time.monotonic()
        while self.post() != 200:
            time.sleep(0.05)
        return time.monotonic() - began

    def row(self, what: str, count: int, answers: object, seconds: list[float], before: float) -> None:
        ordered = sorted(seconds) or [0.0]
        times = f"{statistics.median(ordered):.2f} | {ordered[int(0.95 * (len(ordered) - 1))]:.2f}"
        self.rows.append(f"| {what} | {count} | {answers} | {times} | {before:.0f} → {self.memory():.0f} |")


def many(load: Load, requests: int) -> None:
    """Eight clients at once, and the memory on the way."""
    load.until_made(0)
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(load.until_made, range(max(1, requests // 10))))
        before, fifths = load.memory(), []
        for _ in range(5):
            began, seconds = time.monotonic(), list(pool.map(load.until_made, range(requests // 5)))
            fifths.append((load.memory(), seconds, time.monotonic() - began))
    seconds = [one for _, some, _ in fifths for one in some]
    load.row(f"{CLIENTS} clients", len(seconds), "200", seconds, before)
    print("memory in MiB after each fifth: " + ", ".join(f"{memory:.0f}" for memory, _, _ in fifths), file=sys.stderr)
    print(f"{len(seconds) / sum(took for _, _, took in fifths):.1f} images/s", file=sys.stderr)


def broken(load: Load) -> None:
    before = load.memory()
    cut = load.form[: len(load.form) // 2]
    fields = b"".join(b'--b\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nx\r\n' % n for n in range(100_000))
    answers = Counter(load.post(cut) for _ in range(50)) + Counter(load.post(b"--b\r\nno form") for _ in range(50))
    load.row("broken forms", 100, dict(answers), [], before)
    before = load.memory()
    load.row(
        "forms of 100,000 fields", 5, dict(Counter(load.post(fields + b"--b--\r\n") for _ in range(5))), [], before
    )


def slow(load: Load) -> None:
    """Eight senders of a byte a second each, beside one that is quick."""
    before, ended = load.memory(), threading.Event()

    def dribble(_: int) -> bytes:
        head = (
            f"POST /v1/try-on HTTP/1.1\r\nHost: localhost\r\nContent-Type: {load.kind}\r\nContent-Length: 9999\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", load.port), timeout=30) as sender:
            sender.sendall(head.encode() + load.form[:100])
            while not ended.wait(1):
                try:
                    sender.sendall(b"x")
                    sender.settimeout(0.1)
                    return sender.recv(12)
                except TimeoutError:
                    continue
                except OSError:
                    return b"closed"
        return b"?"

    with ThreadPoolExecutor(CLIENTS) as pool:
        waiting = [pool.submit(dribble, number) for number in range(CLIENTS)]
        quick = [load.until_made(0) for _ in range(10)]
        answers = Counter(one.result().decode() for one in waiting)
        ended.set()
    load.row(f"beside {CLIENTS} slow senders", 10, "200", quick, before)
    load.row("slow senders", CLIENTS, dict(answers), [], before)


def gone(load: Load) -> None:
    """Senders that hang up as soon as their photographs have arrived."""
    before = load.memory()
    head = f"POST /v1/try-on HTTP/1.1\r\nHost: localhost\r\nContent-Type: {load.kind}\r\n"
    for number in range(50):
        with socket.create_connection(("127.0.0.1", load.port), timeout=30) as sender:
            sender.sendall(f"{head}Content-Length: {len(load.form)}\r\n\r\n".encode() + load.form)
            time.sleep(0.002 * (number % 10))
    began = time.monotonic()
    load.until_made(0)
    load.row("senders that hang up, then one that waits", 51, "200", [time.monotonic() - began], before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, arguments.runs)
        return
    with tempfile.TemporaryDirectory() as name:
        photograph = draw(Path(name))
        part = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="x"\r\n\r\n%b\r\n'
        form = b"".join(part % (role, photograph) for role in (b"person", b"garment")) + b"--b--\r\n"
        command = [sys.executable, __file__, "--serve", name]
        if arguments.runs:
            command += ["--runs", str(arguments.runs)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout
                port, uploads = server.stdout.readline().split()
                load = Load(int(port), server.pid, form, "multipart/form-data; boundary=b")
                many(load, arguments.requests)
                broken(load)
                slow(load)
                gone(load)
                left = len(list(Path(uploads).iterdir()))
            finally:
                server.kill()
        shutil.rmtree(uploads)
    print("| requests | number | answers | median s | 95 % s | resident memory, MiB |\n|---|---|---|---|---|---|")
    print("\n".join(load.rows))
    print(f"\nfiles of photographs left: {left}")


if __name__ == "__main__":
    main()
