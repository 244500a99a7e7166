"""Throughput of `prep build-shards`, compared with the codecs alone and with a plain script, in one run.

    python benchmarks/prep_throughput.py [--looks 400] [--workers N] [--rounds 3]

On the same drawn looks, in turn, on the same number of processes:

floor    decode (product photos at 1/2 or 1/4 of their size if the crop is still large enough), crop, resize and encode
         exactly a sample's images; no masks, no JSON, no output
sparing  the same with prep's own savings: rows below a crop are not decoded, which no codec offers
         (preprocess/formats/jpeg.py), and a garment shared by consecutive looks is decoded, resized and encoded once
prep     the command `prep build-shards`, from an empty folder to the manifest, including the start of all processes
planning `prep build-shards` again, in a finished folder without `twins.json`: prep's time other than building
pillow   a typical script: Pillow, masks drawn at full size, LANCZOS, one tar

Prints tuples/s and their ratios (medians over the rounds, since the machine's speed varies), the time of each phase of
building, peak memory, and what computing without IPP costs.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import ctypes
import inspect
import io
import json
import os
import pstats
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain, groupby
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
from inspect_speed import CONFIGURATION, PeakMemory
from PIL import Image, ImageDraw

from preprocess.conditioning.agnostic import agnostic
from preprocess.conditioning.conditions import garment_side
from preprocess.conditioning.crop import garment_crop, person_crop
from preprocess.conditioning.regions import claimed_by, label_map
from preprocess.formats.aihub_json import read_item_parse, read_model_parse, read_pose
from preprocess.formats.images import Pixels, cut, decode_as, encode_jpeg, encode_png, resize
from preprocess.formats.jpeg import cut_below, frame_of
from preprocess.loading.layer_check import check_layers
from preprocess.planning.pairing import records
from preprocess.sharding.content import ContentReader
from preprocess.sharding.sample import make_samples
from preprocess.sources import Files, Record
from preprocess.sources.aihub import open_aihub
from preprocess.synthetic.dataset_writer import write_dataset
from preprocess.workers import ENVIRONMENT
from schemas import CONDITIONING_SIZE, NEAR_DUPLICATES, TARGET_SIZE, Crop

QUALITY = CONFIGURATION.jpeg_quality
GARMENTS = 12
"""Number of garments in the cache of ``sparing``."""
PR_SET_CHILD_SUBREAPER = 36
Times = dict[str, list[tuple[float, float]]]
PHASES: dict[str, tuple[Callable[..., object], ...]] = {
    "read": (Files.read,),
    "parse JSON": (read_pose, read_model_parse, read_item_parse),
    "decode": (decode_as,),
    "resize": (resize,),
    "encode": (encode_jpeg, encode_png),
    "Ia": (agnostic,),
    "label map": (label_map, claimed_by),
    "layers": (check_layers,),
    "Ic": (garment_side,),
}
"""Functions whose cumulative time makes up a phase."""


@dataclass(frozen=True)
class Work:
    """One pair with its crops, known in advance so that the floor need not read labels."""

    record: Record
    person: Crop
    product: Crop


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=400)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "aihub")
        write_dataset(root, looks=given.looks, seed=0, workers=given.workers)
        work = plan(root)
        times: Times = {}
        peak = 0
        for number in range(given.rounds):
            shards = Path(folder, f"shards{number}")
            command = [sys.executable, "-m", "preprocess", "build-shards", "--src", str(root), "--out", str(shards)]
            command += ["--workers", str(given.workers)]
            with PeakMemory() as memory:
                timed(times, "prep", partial(run, command))
            peak = max(peak, memory.peak)
            (shards / NEAR_DUPLICATES).unlink(missing_ok=True)
            timed(times, "planning", partial(run, command))
            timed(times, "floor", partial(in_processes, floor, root, work, given.workers))
            timed(times, "sparing", partial(in_processes, partial(floor, sparing=True), root, work, given.workers))
            timed(
                times, "pillow", partial(in_processes, pillow, root, work[: len_of("pillow", len(work))], given.workers)
            )
        report(times, len(work), given.workers, peak)
        phases(root, [one.record for one in work[:150]])
        portable(root, [one.record for one in work[:60]], given.rounds)


def plan(root: Path) -> list[Work]:
    files = Files(root)
    found = sorted(records(open_aihub(files), "upper"), key=lambda record: (record.look, record.frame))
    return [Work(record, *crops(files, record)) for record in found]


def crops(files: Files, record: Record) -> tuple[Crop, Crop]:
    person = read_model_parse(files.read(record.person_parse), record.person_parse)
    pose = read_pose(files.read(record.person_pose), record.person_pose)
    product = read_item_parse(files.read(record.product_parse), record.product_parse)
    assert person.image_size is not None
    assert product.image_size is not None
    around = garment_crop(product, None, product.image_size)
    assert around
    return person_crop(pose, person, record.garment, person.image_size), around


def timed(times: Times, name: str, what: Callable[[], object]) -> None:
    """Add wall time and CPU time, in seconds; CPU time is less affected by other programs."""
    started, before = time.perf_counter(), os.times()
    what()
    after = os.times()
    spent = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    times.setdefault(name, []).append((time.perf_counter() - started, spent))


def adopt_orphans() -> None:
    """Make this process the reaper of its descendants: prep's workers are forked from a separate process."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def run(command: list[str]) -> None:
    """Run the command, and wait for all processes it started."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    if process.wait():
        raise subprocess.CalledProcessError(process.returncode, command)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-process.pid, 0)


def in_processes(what: Callable[[Path, Sequence[Work]], int], root: Path, work: Sequence[Work], workers: int) -> None:
    """Split the pairs between processes, keeping each person's together: a person in several pairs is decoded once."""
    people = [list(group) for _, group in groupby(work, key=lambda one: one.record.person_image)]
    size = max(1, len(people) // (8 * workers))
    chunks = [list(chain(*people[start : start + size])) for start in range(0, len(people), size)]
    with ProcessPoolExecutor(workers, get_context("spawn"), cv2.setNumThreads, (1,)) as pool:
        assert sum(pool.map(what, [root] * len(chunks), chunks)) > 0


def floor(root: Path, work: Sequence[Work], sparing: bool = False) -> int:
    size, held = 0, ""
    square: Pixels = np.empty((0, 0, 3), np.uint8)
    garment = lru_cache(GARMENTS if sparing else 0)(partial(garment_bytes, cut_rows=sparing))
    for one in work:
        if held != one.record.person_image:
            held = one.record.person_image
            square = decoded(root / held, cv2.IMREAD_COLOR_RGB, one.person if sparing else None)
        person = cut(square, one.person)
        Ip = resize(person, TARGET_SIZE)
        size += len(encode_jpeg(Ip, QUALITY)) + len(encode_jpeg(resize(Ip, CONDITIONING_SIZE), QUALITY))
        size += len(encode_png(resize(person, CONDITIONING_SIZE)))  # Ia is scaled down from the source too
        size += garment(root / one.record.product_image, one.product)
    return size


def garment_bytes(path: Path, crop: Crop, cut_rows: bool) -> int:
    factor = next((f for f in (4, 2) if crop.side >= f * CONDITIONING_SIZE), 1)
    product = decoded(path, getattr(cv2, FLAGS[factor]), crop if cut_rows else None)
    small = Crop(x=crop.x // factor, y=crop.y // factor, side=crop.side // factor)
    return len(encode_png(resize(cut(product, small), CONDITIONING_SIZE)))


FLAGS = {1: "IMREAD_COLOR_RGB", 2: "IMREAD_REDUCED_COLOR_2", 4: "IMREAD_REDUCED_COLOR_4"}


def decoded(path: Path, flags: int, crop: Crop | None) -> Pixels:
    data = path.read_bytes()
    if crop is not None and (frame := frame_of(data)):
        data = cut_below(data, frame, crop.y + crop.side) or data
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), flags), np.uint8)


def pillow(root: Path, work: Sequence[Work]) -> int:
    """Every image at full size, every mask drawn by Pillow, everything scaled with LANCZOS."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for one in work:
            record = one.record
            person, product = (
                Image.open(root / path).convert("RGB") for path in (record.person_image, record.product_image)
            )
            parse = json.loads((root / record.person_parse).read_text())
            agnostic, mask = person.copy(), Image.new("L", person.size)
            fill(mask, parse, ("torso", "sleeve"))
            agnostic.paste((127, 127, 127), mask=mask)
            alone, mask = Image.new("RGB", product.size, (127, 127, 127)), Image.new("L", product.size)
            fill(mask, json.loads((root / record.product_parse).read_text()), ("",))
            alone.paste(product, mask=mask)
            for name, image, crop, size, kind in (
                ("person.jpg", person, one.person, 1024, "JPEG"), ("person_256.jpg", person, one.person, 256, "JPEG"),
                ("agnostic.png", agnostic, one.person, 256, "PNG"), ("garment.png", alone, one.product, 256, "PNG"),
            ):  # fmt: skip
                box = (crop.x, crop.y, crop.x + crop.side, crop.y + crop.side)
                data = io.BytesIO()
                image.crop(box).resize((size, size), Image.Resampling.LANCZOS).save(data, kind, quality=QUALITY)
                info = tarfile.TarInfo(f"{record.key}.{name}")
                info.size = len(data.getvalue())
                tar.addfile(info, io.BytesIO(data.getvalue()))
    return len(buffer.getvalue())


def fill(mask: Image.Image, parse: dict[str, object], parts: tuple[str, ...]) -> None:
    draw = ImageDraw.Draw(mask)
    for region in parse.values():
        if isinstance(region, dict) and "segmentation" in region:
            name = str(region.get("category_name") or region.get("product_type"))
            if any(part in name for part in parts):
                for polygon in region["segmentation"]:
                    draw.polygon([tuple(point) for point in polygon], fill=255)


def report(times: Times, pairs: int, workers: int, peak: int) -> None:
    print(
        f"{pairs} tuples, {workers} processes, medians of {len(times['prep'])} rounds; load {os.getloadavg()[0]:.1f}\n"
    )
    print("| | s | CPU s | tuples/s | of the floor | of the floor, by CPU s |\n|---|---|---|---|---|---|")
    building = [(a - c, b - d) for (a, b), (c, d) in zip(times["prep"], times["planning"], strict=True)]
    rows = {
        "floor": times["floor"], "floor, sparing": times["sparing"],
        "prep, all": times["prep"], "prep, building": building, "pillow": times["pillow"],
    }  # fmt: skip
    for name, found in rows.items():
        count = len_of(name, pairs)
        clock, cpu = (statistics.median(one[which] for one in found) for which in (0, 1))
        shares = [count / pairs * of_floor(found, times["floor"], which) for which in (0, 1)]
        print(f"| {name} | {clock:.2f} | {cpu:.2f} | {count / clock:.1f} | {shares[0]:.2f} | {shares[1]:.2f} |")
    planning = statistics.median(one[0] for one in times["planning"])
    print(f"\nplanning {planning:.2f} s; peak memory, all processes: {peak / 2**20:.0f} MiB")


def of_floor(found: Sequence[tuple[float, float]], floor: Sequence[tuple[float, float]], which: int) -> float:
    """Return the median of the rounds' ratios."""
    return statistics.median(base[which] / one[which] for base, one in zip(floor, found, strict=True))


def len_of(name: str, pairs: int) -> int:
    """Return the number of tuples of a row: the slow script gets an eighth of them."""
    return pairs // 8 if name == "pillow" else pairs


def phases(root: Path, few: Sequence[Record]) -> None:
    """Print a cProfile breakdown of one building process; the profiler's overhead is included."""
    cv2.setNumThreads(1)
    files = Files(root)
    list(make_samples(files, few[:8], CONFIGURATION))
    profile = cProfile.Profile()
    profile.runcall(lambda: list(make_samples(files, few, CONFIGURATION)))
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(values[2] for values in stats.values())
    print("\n| phase | ms per tuple | share |\n|---|---|---|")
    for phase, functions in PHASES.items():
        spent = sum(stats[key][3] for key in map(profile_key, functions) if key in stats)
        print(f"| {phase} | {1000 * spent / len(few):.2f} | {spent / total:.0%} |")
    print(f"| all | {1000 * total / len(few):.2f} | 100% |")


def portable(root: Path, few: Sequence[Record], rounds: int) -> None:
    """Print what it costs to compute without IPP, and to digest the inputs: CPU time of one process, in turn."""
    files = Files(root)
    spent: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        for name, ipp, digest in (("IPP", True, False), ("no IPP", False, False), ("no IPP, digests", False, True)):
            with mock.patch("preprocess.sharding.sample.use_portable_code", partial(cv2.ipp.setUseIPP, ipp)):
                reader = ContentReader(files) if digest else files
                started = time.process_time()
                list(make_samples(reader, few, CONFIGURATION))
                if isinstance(reader, ContentReader):
                    for record in few:
                        reader.digest_of(record.inputs)
                if number:  # the first round warms up
                    spent.setdefault(name, []).append(time.process_time() - started)
    print("\n| OpenCV | ms a tuple | speed, of that with IPP |\n|---|---|---|")
    for name, times in spent.items():
        ratio = statistics.median(base / one for base, one in zip(spent["IPP"], times, strict=True))
        print(f"| {name} | {1000 * statistics.median(times) / len(few):.2f} | {ratio:.2f} |")


def profile_key(function: Callable[..., object]) -> tuple[str, int, str]:
    """Return the key of a function in `pstats.Stats.stats`."""
    code = inspect.unwrap(function).__code__
    return code.co_filename, code.co_firstlineno, code.co_name


if __name__ == "__main__":
    main()
