"""Reading a folder of shards by its index: only the members that are asked for, straight from their offsets."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from schemas import INDEX_SUFFIX, MANIFEST, META, Manifest, Sample, ShardIndex, Split, UserError, check_pose

Pixels = NDArray[np.uint8]


class ShardFolder:
    """The samples of one split, in the order of the plan.

    Raises UserError where the folder holds no finished shards, or files that do not belong together.
    """

    def __init__(self, folder: Path, split: Split) -> None:
        self.folder = folder
        self.manifest = _read_manifest(folder)
        self.keys: list[str] = []
        self._places: list[tuple[int, dict[str, tuple[int, int]]]] = []
        self._names: list[str] = []
        self._descriptors: dict[int, int] = {}
        for entry in self.manifest.shards:
            if entry.split != split:
                continue
            index = _read_index(folder, entry.name, self.manifest)
            self._names.append(entry.name)
            for sample in index.samples:
                self.keys.append(sample.key)
                self._places.append((len(self._names) - 1, sample.members))
        if not self.keys:
            raise UserError(f"--shards {folder}: no samples of the split {split}; build shards from more data")

    def __len__(self) -> int:
        return len(self.keys)

    def read(self, position: int, member: str) -> bytes:
        """Return the bytes of one member of the sample at ``position``."""
        shard, members = self._places[position]
        offset, size = members[member]
        data = os.pread(self._open(shard), size, offset)
        if len(data) != size:
            raise UserError(
                f"{self.folder / self._names[shard]}: shorter than its index says, at {self.keys[position]}.{member}; "
                "build the shards again"
            )
        return data

    def picture(self, position: int, member: str) -> Pixels:
        """Return a picture, RGB uint8 (H, W, 3). Raise UserError where it is damaged."""
        pixels = cv2.imdecode(np.frombuffer(self.read(position, member), np.uint8), cv2.IMREAD_COLOR_RGB)
        if pixels is None:
            raise self._damaged(position, member, "not a picture")
        return np.asarray(pixels, np.uint8)

    def pose(self, position: int, member: str) -> NDArray[np.float32]:
        """Return a pose, float32 (17, 3). Raise UserError where it is damaged."""
        try:
            data = self.read(position, member)
            header = 10 + int.from_bytes(data[8:10], "little")  # .npy version 1.0; nothing in it is ever unpickled
            pose = np.frombuffer(data[header:], "<f4").reshape(17, 3)
            check_pose(pose)
        except ValueError as error:
            raise self._damaged(position, member, str(error)) from error
        return pose

    def sample(self, position: int) -> Sample:
        """Return the sample's description."""
        try:
            return Sample.model_validate_json(self.read(position, META))
        except ValueError as error:
            raise self._damaged(position, META, "does not fit the schema") from error

    def _open(self, shard: int) -> int:
        if shard not in self._descriptors:
            self._descriptors[shard] = os.open(self.folder / self._names[shard], os.O_RDONLY)
        return self._descriptors[shard]

    def _damaged(self, position: int, member: str, what: str) -> UserError:
        shard = self.folder / self._names[self._places[position][0]]
        return UserError(f"{shard}: {self.keys[position]}.{member} is damaged ({what}); build the shards again")


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"--shards {folder}: no {MANIFEST} in it; run prep build-shards --out {folder} first"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: not a manifest of this version; build the shards again") from error


def _read_index(folder: Path, shard: str, manifest: Manifest) -> ShardIndex:
    path = folder / (shard.removesuffix(".tar") + INDEX_SUFFIX)
    try:
        index = ShardIndex.model_validate_json(path.read_bytes())
        size = (folder / shard).stat().st_size
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: missing or damaged; build the shards again") from error
    if index.fingerprint != manifest.fingerprint or size != index.bytes:
        raise UserError(f"{folder / shard}: does not belong to {MANIFEST}; build the shards again")
    return index
