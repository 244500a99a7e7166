"""A good folder of shards, made once, and a copy of it for every test to damage."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from configurations import CONFIGURATION

from common.atomic import write_atomically
from preprocess.inspection.verification import Report, verify
from preprocess.sharding.folder import index_name, make_manifest, pretty, reject_lines, summary_of
from schemas import (
    AGNOSTIC,
    GARMENT,
    JG,
    JP,
    MEMBERS,
    META,
    PERSON,
    PERSON_256,
    Annotation,
    Crop,
    Plan,
    PlannedShard,
    Reject,
    Sample,
    ShardIndex,
    ShardSample,
    SourceImage,
    Split,
)

FINGERPRINT = "f" * 64
Files = list[tuple[str, bytes]]


def jpeg(pixels: Any) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def png(pixels: Any) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def npy(pose: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, pose, allow_pickle=True)
    return buffer.getvalue()


def sample_of(key: str, split: Split, look: str, item: str, seed: int) -> Files:
    """The members of a sample, whose pictures are smooth noise of its own."""
    noise = np.random.default_rng(seed).integers(0, 256, (2, 8, 8, 3), np.uint8)
    person, garment = (cv2.resize(small, (256, 256), interpolation=cv2.INTER_CUBIC) for small in noise)
    picture = SourceImage(path="a.jpg", width=720, height=1280, crop=Crop(x=0, y=0, side=700))
    label = Annotation(path="a.json", origin="annotated")
    meta = Sample(
        key=key, source="aihub", split=split, garment="upper", view="front", pairing="item", look=look, frame="000",
        item=item, person=picture, product=picture, person_pose=label, person_parse=label, product_pose=label,
        product_parse=label, repaired=(),
    )  # fmt: skip
    pose = np.zeros((17, 3), np.float32)
    members = {
        PERSON_256: jpeg(person),
        AGNOSTIC: png(person),
        GARMENT: png(garment),
        JP: npy(pose),
        JG: npy(pose),
        META: meta.model_dump_json().encode(),
        PERSON: jpeg(cv2.resize(person, (1024, 1024))),
    }
    return [(f"{key}.{ending}", members[ending]) for ending in MEMBERS]


class Folder:
    """A folder of shards that can be written anew with other members; its checksums then agree with them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.plan = Plan.model_validate_json((path / "plan.json").read_bytes())

    def members(self, shard: str) -> Files:
        with tarfile.open(self.path / shard) as tar:
            return [(info.name, tar.extractfile(info).read()) for info in tar if info.isreg()]  # type: ignore[union-attr]

    def write(self, shard: str, files: Files) -> None:
        write_tar(self.path / shard, files)
        self.seal()

    def replace(self, shard: str, name: str, data: bytes) -> None:
        """Exchange one member's bytes; index and manifest are made to agree."""
        files = [(one, data if one == name else old) for one, old in self.members(shard)]
        self.write(shard, files)
        index = self.index(shard)
        places = offsets(self.path / shard)
        samples = [
            one.model_copy(update={"members": {end: places[f"{one.key}.{end}"] for end in one.members}})
            for one in index.samples
        ]
        self.write_index(index.model_copy(update={"samples": tuple(samples)}))

    def index(self, shard: str) -> ShardIndex:
        return ShardIndex.model_validate_json((self.path / index_name(shard)).read_bytes())

    def write_index(self, index: ShardIndex) -> None:
        write_atomically(self.path / index_name(index.name), index.model_dump_json().encode())
        self.seal()

    def seal(self) -> None:
        """Make size and checksum in the indices, manifest and rejects agree with what the folder holds."""
        done = []
        for shard in self.plan.shards:
            data = (self.path / shard.name).read_bytes()
            change = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            index = self.index(shard.name).model_copy(update=change)
            write_atomically(self.path / index_name(shard.name), index.model_dump_json().encode())
            done.append(summary_of(index))
        write_atomically(self.path / "rejects.jsonl", reject_lines(done))
        write_atomically(self.path / "manifest.json", pretty(make_manifest(self.plan, done)))

    def edit(self, name: str, how: Callable[[Any], Any]) -> None:
        document = json.loads((self.path / name).read_text())
        how(document)
        (self.path / name).write_text(json.dumps(document))


def write_tar(path: Path, files: Files) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def offsets(path: Path) -> dict[str, tuple[int, int]]:
    with tarfile.open(path) as tar:
        return {info.name: (info.offset_data, info.size) for info in tar}


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards for training, of which the second has a reject, and one for validation."""
    out = tmp_path_factory.mktemp("good")
    content: dict[str, tuple[Split, int]] = {
        "train-000000.tar": ("train", 2), "train-000001.tar": ("train", 1), "val-000000.tar": ("val", 1),
    }  # fmt: skip
    shards = tuple(
        PlannedShard(name=name, split=split, records=2 if split == "train" else 1, digest=name)
        for name, (split, _) in content.items()
    )
    plan = Plan(fingerprint=FINGERPRINT, configuration=CONFIGURATION, records=5, moved=0, shards=shards)
    (out / "plan.json").write_bytes(pretty(plan))
    number = 0
    for shard in shards:
        keys: list[str] = []
        files: Files = []
        for _ in range(content[shard.name][1]):
            number += 1
            keys.append(f"{shard.split}_L{number}")
            files += sample_of(keys[-1], shard.split, f"L{number}", f"I{number}_F", number)
        write_tar(out / shard.name, files)
        places = offsets(out / shard.name)
        samples = [
            ShardSample(key=key, digest="0", members={end: places[f"{key}.{end}"] for end in MEMBERS}) for key in keys
        ]
        reject = Reject(key="train_R", reason="bad-image", path="b.jpg", detail="cannot be decoded")
        index = ShardIndex(
            fingerprint=FINGERPRINT, digest=shard.digest, name=shard.name, split=shard.split, bytes=0, sha256="0" * 64,
            samples=tuple(samples), rejects=(reject,) if shard.records > len(samples) else (), repaired={},
        )  # fmt: skip
        (out / index_name(shard.name)).write_text(index.model_dump_json())
    Folder(out).seal()
    return out


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Folder:
    """A copy of the good folder."""
    shutil.copytree(good, tmp_path / "shards")
    return Folder(tmp_path / "shards")


class InProcess(Executor):
    """Runs each job at once, in the test's own process."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch) -> Callable[[Folder], Report]:
    """Verify a folder in this process."""
    monkeypatch.setattr("preprocess.inspection.verification.folder_check.open_pool", InProcess)
    return lambda folder: verify(folder.path, 1, lambda done, total: None)
