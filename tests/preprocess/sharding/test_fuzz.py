"""2,000 mutated inputs: each is built or rejected with a reason; none crashes, hangs, or writes elsewhere.

The quick tests take the first quarter of them, the slow ones all.
"""

from __future__ import annotations

import copy
import json
import random
import resource
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from configurations import CONFIGURATION

from common.errors import UserError
from preprocess.inspection.verification.members import check_members
from preprocess.planning.pairing import records
from preprocess.planning.plan import make_plan
from preprocess.sharding.sample import Members, make_samples
from preprocess.sources import Files, Record
from preprocess.sources.aihub import open_aihub
from schemas import Reject

SHRINK = 8


def cases(count: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("count", [count // 4, pytest.param(count, marks=pytest.mark.slow)])


SLOWEST = 5.0
"""Seconds of one case; an undisturbed one takes 0.03."""
MEMORY = 4 << 30
"""Bytes of address space on top of what the tests have already: a case that wants more is at fault."""

_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 1e5, -1e5, 99_999, 1e308, -1e308, 10**400, float("nan"), float("inf"), "", "x", "1e9",
    "../../../etc/passwd", "/etc/passwd", "\0", "\ud800", [], {}, [[]], [None], [[0, 0]], [[0, 0]] * 3, {"width": 1},
)  # fmt: skip
Mutation = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, rng: random.Random) -> bytes:
    result = bytearray(data)
    for _ in range(rng.choice((1, 4, 32))):
        result[rng.randrange(len(result))] = rng.randrange(256)
    return bytes(result)


def cut(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return rng.choice((data[:start], data[start:], data[:start] + data[end:]))


def repeat(data: bytes, rng: random.Random) -> bytes:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    return data[:end] + data[start:end] * rng.choice((1, 3)) + data[end:]


def header(data: bytes, rng: random.Random) -> bytes:
    """Change a few of the first bytes: sizes, tables, markers."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 2, 3))):
        result[rng.randrange(min(len(result), 200))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(result)


def value(data: bytes, rng: random.Random) -> bytes:
    """Put a hostile value in the place of some value of a JSON document."""
    document = json.loads(data)
    places = list(_places(document))
    for _ in range(rng.choice((1, 1, 2, 8))):
        holder, name = rng.choice(places)
        holder[name] = copy.deepcopy(rng.choice(_VALUES))
    return json.dumps(document).encode()


def scale(data: bytes, rng: random.Random) -> bytes:
    """Multiply, move or exchange numbers all over the document."""
    factor, offset = rng.choice((0, -1, 1e-9, 10, 1000, 1e6)), rng.choice((0, 1, -5000, 90_000))
    share = rng.choice((0.02, 0.3, 1.0))
    document = json.loads(data)
    for holder, name in list(_places(document)):
        if isinstance(holder[name], int | float) and rng.random() < share:
            holder[name] = holder[name] * factor + offset
    return json.dumps(document).encode()


def structure(data: bytes, rng: random.Random) -> bytes:
    """Drop, double or nest what a JSON document holds."""
    document = json.loads(data)
    holder, name = rng.choice(list(_places(document)))
    kind = rng.randrange(4)
    if kind == 0:
        del holder[name]
    elif kind == 1:
        holder[name] = [holder[name]] * rng.choice((0, 2, 100))
    elif kind == 2:
        return data[:-1] + b',"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    else:
        points = [[rng.uniform(-100, 300), rng.uniform(-100, 300)] for _ in range(rng.choice((1000, 20_000)))]
        holder[name] = [points]
    return json.dumps(document).encode()


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    names = document.keys() if isinstance(document, dict) else range(len(document))
    for name in list(names):
        yield document, name
        if isinstance(document[name], dict | list):
            yield from _places(document[name])


BYTES: tuple[Mutation, ...] = (flip, cut, repeat, header)
JSON: tuple[Mutation, ...] = (*BYTES, value, value, scale, scale, structure, structure)


class Mutated(Files):
    """A data set of which some files read otherwise."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.changed: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        return self.changed[path] if path in self.changed else super().read(path)


@pytest.fixture
def small(aihub: Path) -> Path:
    """The hand-made data set at an eighth of its size, so that a case takes milliseconds."""
    for path in aihub.rglob("*.jpg"):
        pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        assert pixels is not None
        path.write_bytes(cv2.imencode(".jpg", pixels[::SHRINK, ::SHRINK])[1].tobytes())
    for path in aihub.rglob("*_*.json"):
        document = json.loads(path.read_text())
        if isinstance(document, dict):
            path.write_text(json.dumps(_shrunk(document)))
    return aihub


def _shrunk(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: part if name == "view_point" else _shrunk(part) for name, part in document.items()}
    if isinstance(document, list):
        if len(document) == 51:  # x, y, visibility of 17 points
            return [part if n % 3 == 2 else part / SHRINK for n, part in enumerate(document)]
        return [_shrunk(part) for part in document]
    return (
        document // SHRINK
        if isinstance(document, int)
        else document / SHRINK
        if isinstance(document, float)
        else document
    )


@pytest.fixture(autouse=True)
def limited_memory() -> Iterator[None]:
    """Make what wants absurdly much memory fail at once."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def outcome(files: Files, record: Record) -> str:
    """Build one record; return "built" or the reason. A sample that was built has to be a good one."""
    (made,) = make_samples(files, [record], CONFIGURATION)
    if isinstance(made, Reject):
        assert made.reason
        assert made.detail
        assert Reject.model_validate_json(made.model_dump_json()) == made
        return made.reason
    assert isinstance(made, Members)
    problems, sample, _ = check_members(record.key, record.split, made.members)
    assert problems == []
    assert sample == made.sample
    return "built"


def timed(case: str, run: Callable[[], str]) -> str:
    started = time.perf_counter()
    try:
        result = run()
    except Exception as error:
        raise AssertionError(f"{case}: {type(error).__name__}: {error}") from error
    assert time.perf_counter() - started < SLOWEST, f"{case} hangs"
    return result


def listing(root: Path) -> set[Path]:
    return set(root.rglob("*"))


@cases(1500)
def test_files_of_a_record(small: Path, tmp_path: Path, count: int) -> None:
    files = Mutated(small)
    record = next(iter(records(open_aihub(files), "upper")))
    original = {path: files.read(path) for path in record.inputs}
    assert outcome(files, record) == "built"
    before = listing(tmp_path)
    seen: Counter[str] = Counter()
    for seed in range(count):
        rng = random.Random(seed)
        path = rng.choice(record.inputs)
        mutate = rng.choice(JSON if path.endswith(".json") else BYTES)
        files.changed = {path: mutate(original[path], rng)}
        case = f"case {seed}, {mutate.__name__} of {path.rsplit('/', 2)[-2]}"
        seen[timed(case, lambda: outcome(files, record))] += 1
    assert sum(seen.values()) == count
    assert seen["built"] > count // 20
    assert len(seen) > 5
    assert listing(tmp_path) == before


def build_all(root: Path) -> str:
    """Plan and build what is found; a data set that cannot be read is the user's mistake."""
    files = Files(root)
    try:
        planned = make_plan(files, list(records(open_aihub(files), "upper")), CONFIGURATION)
    except UserError as error:
        return "several lines" if "\n" in str(error) else "mistake"
    made = [outcome(files, record) for of_shard in planned.records.values() for record in of_shard]
    return made[0] if made else "nothing"


@cases(300)
def test_wearing_lists(small: Path, tmp_path: Path, count: int) -> None:
    path = next(small.rglob("winfo_train.json"))
    original = path.read_bytes()
    before = listing(tmp_path)
    seen: Counter[str] = Counter()
    for seed in range(count):
        rng = random.Random(seed)
        mutate = rng.choice(JSON[:-2])
        path.write_bytes(mutate(original, rng))
        seen[timed(f"case {seed}, {mutate.__name__}", lambda: build_all(small))] += 1
    assert seen["built"] > count // 15
    assert seen["mistake"] > count // 15
    assert seen["several lines"] == 0
    assert listing(tmp_path) == before


@cases(200)
def test_zips(small: Path, tmp_path: Path, count: int) -> None:
    root = tmp_path / "zipped"
    root.mkdir()
    path = root / "Training.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(small.rglob("*")):
            archive.write(file, file.relative_to(small))
    original = path.read_bytes()
    assert build_all(root) == "built"
    before = listing(tmp_path)
    seen: Counter[str] = Counter()
    for seed in range(count):
        rng = random.Random(seed)
        mutate = rng.choice(BYTES)
        if rng.random() < 0.5:  # the directory at the end decides where everything lies
            tail = rng.randrange(1, 2500)
            path.write_bytes(original[:-tail] + mutate(original[-tail:], rng))
        else:
            path.write_bytes(mutate(original, rng))
        seen[timed(f"case {seed}, {mutate.__name__}", lambda: build_all(root))] += 1
    assert len(seen) > 2
    assert listing(tmp_path) == before
