"""The shards as others read them: plain webdataset with every option, and Megatron-Energon where it is installed."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from builds import run
from configurations import CONFIGURATION

from preprocess.inspection.verification import verify
from preprocess.planning.pairing import records
from preprocess.planning.plan import make_plan
from preprocess.sources import Files
from preprocess.sources.aihub import open_aihub

pytestmark = pytest.mark.usefixtures("in_process")

_ENERGON = """
import json, sys
from dataclasses import dataclass
from megatron.energon import Cooker, DefaultTaskEncoder, Sample, WorkerConfig, basic_sample_keys
from megatron.energon import get_loader, get_train_dataset, stateless

@dataclass
class Tuple(Sample):
    jp: object
    agnostic: object
    description: object

@stateless
def cook(sample):
    members = {"jp": sample["jp.npy"], "agnostic": sample["agnostic.png"], "description": sample["json"]}
    return Tuple(**basic_sample_keys(sample), **members)

class Encoder(DefaultTaskEncoder):
    cookers = [Cooker(cook)]
    def encode_sample(self, sample): return sample
    def batch(self, samples): return samples
    def encode_batch(self, batch): return batch

data = get_train_dataset(sys.argv[1], worker_config=WorkerConfig(rank=0, world_size=1, num_workers=0), batch_size=1,
                         shuffle_buffer_size=None, max_samples_per_sequence=None, task_encoder=Encoder(), repeat=False)
for (sample,) in get_loader(data):
    print(json.dumps([sample.__key__, list(sample.jp.shape), list(sample.agnostic.shape), sample.description["key"]]))
"""


@pytest.fixture
def built(aihub: Path, tmp_path: Path) -> Callable[..., Path]:
    """Build the two looks, one a shard, with some options."""

    def build(**options: Any) -> Path:
        files, configuration = Files(aihub), CONFIGURATION.model_copy(update={"samples_per_shard": 1, **options})
        run(aihub, tmp_path / "out", make_plan(files, list(records(open_aihub(files), "upper")), configuration))
        return tmp_path / "out"

    return build


@pytest.mark.filterwarnings("ignore:Exception ignored")  # webdataset leaves its file to the garbage collector
@pytest.mark.parametrize("image_format", ["jpg", "webp", "png"])
def test_plain_webdataset_reads_every_option(image_format: str, built: Callable[..., Path]) -> None:
    folder = built(image_format=image_format, garment_size=512, extras=("regions", "hidden", "worn"))
    urls = f"{folder}/train-{{000000..000001}}.tar"
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    gc.collect()
    assert [sample["json"]["look"] for sample in samples] == ["1008_A001", "1008_A002"]
    assert all(sample["__key__"] == sample["json"]["key"] for sample in samples)
    assert samples[0][f"person.{image_format}"].shape == (1024, 1024, 3)
    assert samples[0]["garment.png"].shape == (512, 512, 3)
    assert {samples[0][f"{name}.png"].shape[:2] for name in ("regions", "hidden", "worn")} == {(256, 256)}
    assert samples[0]["jp.npy"].dtype == np.float32


@pytest.mark.slow
def test_megatron_energon_reads_them(built: Callable[..., Path]) -> None:
    pytest.importorskip("megatron.energon")
    folder = built()
    energon = Path(sys.executable).with_name("energon")
    prepared = subprocess.run(
        [
            energon, "prepare", folder, "--non-interactive", "--split-parts", r"train:train-.*\.tar",
            "--sample-type", "CrudeWebdataset", "--force-overwrite", "--num-workers", "1",
        ],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert prepared.returncode == 0, prepared.stderr  # versions before 7 lack --non-interactive
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ENERGON, folder], check=True, capture_output=True, text=True
    )
    assert verify(folder, 1, lambda done, total: None).problems == ()
    keys = ["train_1008_A001_000_1008001_F", "train_1008_A002_000_1008002_F"]
    assert sorted(done.stdout.splitlines()) == [f'["{key}", [17, 3], [3, 256, 256], "{key}"]' for key in keys]
