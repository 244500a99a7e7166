"""The real networks: rembg's sessions with U²-Net's own weights.

The weights of `u2net` are looked for in the folder that TRYON_WEIGHTS names. Weights for people and for clothes ship
in no package: the person's masks are the salient object's, by the same file, and clothes are told by a network of one
1 x 1 convolution, which has rembg's session run for real and says "upper" of everything.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from preprocess.annotate.estimators import UPPER
from preprocess.annotate.garment import estimate_garment
from preprocess.annotate.rembg_masks import MODELS, RembgMasks
from preprocess.drawn.garment import Kind, garment
from preprocess.drawn.item import draw_item
from preprocess.drawn.regions import BACKGROUND
from schemas import Garment

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # what the packages warn of is theirs

KINDS: dict[Kind, Garment] = {
    "top": "upper", "outer": "upper", "dress": "dress", "trousers": "lower", "shorts": "lower", "skirt": "lower",
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    for package in ("rembg", "onnx"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra `estimate`, and onnx)")
    given = Path(os.environ.get("TRYON_WEIGHTS", "weights")) / "u2net.onnx"
    if not given.is_file():
        pytest.skip(f"no {given}: set TRYON_WEIGHTS to a folder that holds rembg's u2net.onnx")
    clothes = tmp_path_factory.mktemp("weights") / "u2net_cloth_seg.onnx"
    write_constant_network(clothes)
    return {"u2net": given, "u2net_human_seg": given, "u2net_cloth_seg": clothes}


def write_constant_network(path: Path) -> None:
    """Write a network that says UPPER of every pixel."""
    import onnx
    from onnx import TensorProto, helper

    bias = np.zeros(4, np.float32)
    bias[UPPER] = 3
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["y"])]
    sizes = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, 768, 768]) for n, c in (("x", 3), ("y", 4))]
    values = [
        helper.make_tensor("w", TensorProto.FLOAT, [4, 3, 1, 1], np.zeros(12, np.float32)),
        helper.make_tensor("b", TensorProto.FLOAT, [4], bias),
    ]
    graph = helper.make_graph(nodes, "clothes", sizes[:1], sizes[1:], values)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


@pytest.fixture(scope="module")
def masks(weights: dict[str, Path]) -> RembgMasks:
    return RembgMasks({name: weights[name] for name in MODELS})


def test_masks_of_drawn_garments(masks: RembgMasks) -> None:
    found = {}
    for number, (kind, wanted) in enumerate(KINDS.items()):
        drawing = draw_item(garment(number, kind), back=False)
        true = drawing.labels != BACKGROUND
        mine = estimate_garment(drawing.image, wanted, masks, least=0.5, name=kind).drawing.labels != BACKGROUND
        found[kind] = float((true & mine).sum() / (true | mine).sum())
    assert min(found.values()) >= 0.9, found


def test_clothes_are_labelled_at_the_pictures_size_without_new_classes(masks: RembgMasks) -> None:
    clothes = masks.clothes(np.full((300, 200, 3), 128, np.uint8))
    assert clothes.labels.shape == (300, 200)
    assert np.unique(clothes.labels).tolist() == [UPPER]
    assert clothes.confidence == pytest.approx(np.exp(3) / (np.exp(3) + 3), abs=1e-4)
