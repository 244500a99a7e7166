"""The real packages: MediaPipe's and rembg's genuine weights on real photographs, FASHN's code with a small SegFormer.

MediaPipe 0.10.14 holds its own networks, but wants other releases of protobuf and numpy's neighbours, so it is
installed into a folder of its own, which TRYON_MEDIAPIPE names:

    pip install --no-deps --target DIR mediapipe==0.10.14 "protobuf>=4.25.3,<5" flatbuffers absl-py attrs sounddevice \\
        matplotlib contourpy cycler fonttools kiwisolver pyparsing

rembg's u2net.onnx lies in the folder that TRYON_WEIGHTS names. Networks for clothes and people, FASHN's parser and
YOLO-pose are in no package, so their genuine weights are not tried here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preprocess.annotation.estimators.fashn import FashnParser
from preprocess.annotation.estimators.onnx_parser import OnnxParser
from preprocess.label_tables import NAMES

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # what the packages warn of is theirs

ROOT = Path(__file__).parents[3]


def measured(data: Path, *arguments: str, path: str = "") -> dict[str, Any]:
    """Run benchmarks/estimators.py in a process of its own, with ``path`` before all other packages."""
    paths = os.pathsep.join(one for one in (path, str(ROOT), os.environ.get("PYTHONPATH", "")) if one)
    command = [sys.executable, "benchmarks/estimators.py", "--data", str(data), "--json", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_mediapipes_poses_of_real_people(real_data: Path, tmp_path: Path) -> None:
    """Of OpenPose's shoulders, elbows, wrists and hips 87 % were within 5 % of the person; no photo was missed."""
    folder = os.environ.get("TRYON_MEDIAPIPE", "")
    if not Path(folder, "mediapipe").is_dir():
        pytest.skip("TRYON_MEDIAPIPE names no folder with mediapipe 0.10.14; see the module's docstring")
    result = measured(real_data, "--pose", "mediapipe", "--out", str(tmp_path), path=folder)
    poses = result["poses"]
    assert poses["found"] == poses["images"] == 7
    assert poses["pck"] >= 0.85, poses
    assert poses["shoulder"] == "14/14"
    assert (result["photos"]["usable"], result["photos"]["images"]) == (24, 24)
    assert len(list(tmp_path.glob("*.jpg"))) == 31


def test_regions_by_the_outline_leave_hardly_any_cloth(real_data: Path) -> None:
    """With true poses and outlines 1,593 of 1,070,240 pixels of the tops were left in Ia, and no face was hidden."""
    command = [sys.executable, "benchmarks/outlined_people.py", "--src", str(real_data / "viton-hd")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = (line for line in done.stdout.splitlines() if line.startswith("| all, true"))
    head, upper, _, _, *counts = (cell.strip() for cell in row.strip("| ").split("|")[1:])
    (cloth, of_cloth), (face, _), _ = ([int(part.replace(",", "")) for part in one.split(" of ")] for one in counts)
    assert cloth < 0.003 * of_cloth
    assert face == 0
    assert (float(head) > 0.8, float(upper) > 0.77) == (True, True), row


def test_rembgs_masks_of_real_garments_and_people(real_data: Path) -> None:
    for package in ("rembg", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra `estimate`)")
    weights = Path(os.environ.get("TRYON_WEIGHTS", "weights"))
    if not (weights / "u2net.onnx").is_file():
        pytest.skip(f"no {weights}/u2net.onnx: set TRYON_WEIGHTS to a folder that holds it")
    found = measured(real_data, "--weights", str(weights), "--pose", "none.onnx")["garments"]
    assert found["garment_iou"] >= 0.9, found
    assert found["person_iou"] >= 0.9, found


def halves(height: int = 900, width: int = 600) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, :, 0] = 255
    image[height // 2 :, :, 2] = 255
    return image


def test_fashns_own_code_runs_with_a_small_segformer(tmp_path: Path) -> None:
    """Its weights are in no package: a SegFormer of a thousandth of the size, which is made here, takes their place."""
    for package in ("fashn_human_parser", "transformers", "torch"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra `fashn`)")
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(0)
    config = SegformerConfig(
        num_labels=18, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 1, 1],
        decoder_hidden_size=16,
    )  # fmt: skip
    model = SegformerForSemanticSegmentation(config)
    with torch.no_grad():
        model.decode_head.classifier.bias[3] += 50  # whatever it sees, it is a top
    folder = tmp_path / "fashn-human-parser"
    model.save_pretrained(folder, safe_serialization=True)
    parser = FashnParser(folder)
    parsed = parser.parse(halves())
    assert (parser.labels, parsed.numbers.shape) == ("fashn", (900, 600))
    assert set(np.unique(parsed.numbers)) == {3}
    assert parsed.confidence > 0.99


def test_a_parser_runs_in_onnxruntime(tmp_path: Path) -> None:
    """A network of one convolution: what is bright in red is a top, in blue trousers, by ATR's table."""
    for package in ("onnx", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra `real-estimators`)")
    import onnx
    from onnx import TensorProto, helper

    count, side = len(NAMES["atr"]), 64
    weights = np.zeros((count, 3, 1, 1), np.float32)
    weights[4, 2], weights[6, 0] = 9, 9  # of BGR
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], strides=[4, 4], kernel_shape=[1, 1])]
    sizes = (("x", [1, 3, side, side]), ("y", [1, count, side // 4, side // 4]))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in sizes]
    constants = [helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.ravel())]
    graph = helper.make_graph(nodes, "parser", values[:1], values[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(tmp_path / "parser.onnx"))
    parsed = OnnxParser(tmp_path / "parser.onnx", "atr").parse(halves())
    assert set(np.unique(parsed.numbers[:400])) == {4}
    assert set(np.unique(parsed.numbers[500:])) == {6}
