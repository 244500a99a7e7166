"""The estimators' adapters around their packages: what goes in, what comes out, and what is said of wrong files.

The packages are stand-ins here; the real ones, with genuine weights where a package ships any, run in the slow tests.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from common.errors import UserError
from preprocess.annotation.estimators.fashn import FashnParser
from preprocess.annotation.estimators.mediapipe_pose import SLOTS, body_pose
from preprocess.annotation.estimators.onnx_parser import OnnxParser
from preprocess.annotation.estimators.onnx_pose import OnnxPose
from preprocess.annotation.estimators.plain_garments import PlainGarments
from preprocess.formats.images import Pixels
from preprocess.label_tables import NAMES
from schemas import Keypoint
from tests.preprocess.annotation.conftest import JOINTS, shirt

Network = Callable[[np.ndarray[Any, Any]], Sequence[np.ndarray[Any, Any]]]


@dataclass
class _Session:
    """A network of onnxruntime: a function of its input."""

    shape: list[Any]
    network: Network
    outputs: int = 1
    type: str = "tensor(float)"
    metadata: dict[str, str] = field(default_factory=dict)
    seen: list[np.ndarray[Any, Any]] = field(default_factory=list)

    def get_inputs(self) -> list[Any]:
        return [type("Input", (), {"name": "x", "shape": self.shape, "type": self.type})]

    def get_outputs(self) -> list[Any]:
        return [None] * self.outputs

    def get_modelmeta(self) -> Any:
        return type("Meta", (), {"custom_metadata_map": self.metadata})

    def run(self, _: None, inputs: dict[str, Any]) -> list[Any]:
        self.seen.append(inputs["x"])
        return list(self.network(inputs["x"]))


@pytest.fixture
def onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[_Session], Path]:
    """Let a file be a network."""
    module = ModuleType("onnxruntime")
    module.SessionOptions = lambda: type("Options", (), {})()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", module)

    def as_file(session: _Session) -> Path:
        module.InferenceSession = lambda *_, **__: session  # type: ignore[attr-defined]
        path = tmp_path / "net.onnx"
        path.touch()
        return path

    return as_file


def halves(size: tuple[int, int] = (300, 600)) -> Pixels:
    """Return an image (w, h): red above, green below."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[: size[1] // 2, :, 0] = 255
    image[size[1] // 2 :, :, 1] = 255
    return image


def scores(labels: np.ndarray[Any, Any], count: int) -> np.ndarray[Any, Any]:
    return np.asarray(labels[None] == np.arange(count)[:, None, None], np.float32)[None] * np.float32(10)


@pytest.mark.parametrize("table", ["atr", "lip", "cihp"])
def test_schps_networks_get_bgr_on_black_and_their_fused_scores_are_taken(onnx: Any, table: str) -> None:
    """An upright image is padded at its sides; what is there is no part of the result."""
    count, side = len(NAMES[table]), 64

    def network(x: np.ndarray[Any, Any]) -> list[Any]:
        red, green = x[0, 2] > 1.5, x[0, 1] > 1.5  # of normalised BGR; a quarter of the size comes out
        labels = np.where(red, 2, np.where(green, 5, 9))[::4, ::4]
        wrong = np.ones_like(labels)
        return [scores(wrong, count), scores(labels, count), scores(wrong, 2)]

    session = _Session([1, 3, side, side], network, outputs=3)
    parsed = OnnxParser(onnx(session), table).parse(halves())
    assert parsed.numbers.shape == (600, 300)
    assert set(np.unique(parsed.numbers[:280])) == {2}
    assert set(np.unique(parsed.numbers[320:])) == {5}
    assert parsed.confidence > 0.9
    black = session.seen[0][0, :, 0, 0]
    assert np.allclose(black, [-0.406 / 0.225, -0.456 / 0.224, -0.485 / 0.229], atol=1e-4)


def test_fashns_network_gets_rgb_stretched_and_other_shapes_are_understood(onnx: Any) -> None:
    def network(x: np.ndarray[Any, Any]) -> list[Any]:
        labels = np.where(x[0, 0] > 1.5, 3, 6)
        return [scores(labels, 18).transpose(0, 2, 3, 1)]  # classes last

    session = _Session(["n", 3, "h", "w"], network)
    parsed = OnnxParser(onnx(session), "fashn").parse(halves((300, 300)))
    assert session.seen[0].shape == (1, 3, 576, 384)
    assert set(np.unique(parsed.numbers[:140])) == {3}
    assert set(np.unique(parsed.numbers[160:])) == {6}


def test_a_models_metadata_sets_its_preprocessing(onnx: Any) -> None:
    metadata = {"labels": "atr", "channels": "RGB", "fit": "stretch", "mean": "[0.5, 0.5, 0.5]", "std": "0.5,0.5,0.5"}
    session = _Session([1, 32, 32, 3], lambda x: [(x[0, ..., 0] > 0).astype(np.int64)[None] * 4], metadata=metadata)
    parser = OnnxParser(onnx(session), None)
    assert parser.labels == "atr"
    parsed = parser.parse(halves())
    assert sorted(np.unique(session.seen[0])) == [-1.0, 1.0]
    assert set(np.unique(parsed.numbers[:280])) == {4}


@pytest.mark.parametrize(
    ("session", "labels", "said"),
    [
        (_Session([1, 3, 8, 8], lambda x: []), None, "the meaning of its labels is not known; give --labels"),
        (_Session([1, 3, 8, 8], lambda x: [scores(np.zeros((8, 8)), 7)]), "atr", "the table atr has 18 labels; give"),
        (_Session([1, 8], lambda x: []), "atr", "a network with one image as input is needed"),
        (_Session([1, 3, 8, 8], lambda x: 1 / 0), "atr", "fails on an image (division by zero)"),  # type: ignore[arg-type,return-value]
        (_Session([1, 3, 8, 8], lambda x: [], metadata={"std": "0,1,1"}), "atr", "is not three numbers"),
    ],
)
def test_wrong_parsers_are_refused_in_one_line(onnx: Any, session: _Session, labels: str | None, said: str) -> None:
    with pytest.raises(UserError) as error:
        OnnxParser(onnx(session), labels).parse(halves())
    assert said in str(error.value)
    assert str(error.value).startswith("--parser ")
    assert "\n" not in str(error.value)


def joints_in(size: int, scale: float, left: float, top: float) -> np.ndarray[Any, Any]:
    """Return the joints of `JOINTS`, as a network sees them."""
    return np.column_stack([np.array(JOINTS) * scale + (left, top), np.full(17, 0.8)]).astype(np.float32)


@pytest.mark.parametrize("family", ["yolo", "end-to-end", "rtmo", "movenet", "multipose"])
def test_every_family_of_pose_networks_gives_the_same_joints(onnx: Any, family: str) -> None:
    """In an image of 400 x 800 they are letterboxed into 640 x 640 at 0.8: centred, or at the upper left."""
    left, channels_last = 0 if family == "rtmo" else 160, family in ("movenet", "multipose")
    joints = joints_in(640, 0.8, left, 0)
    box = np.array([95, 60, 305, 730]) * 0.8 + (left, 0, left, 0)
    centre = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]]
    if family == "yolo":  # one person, found three times, and noise
        row = np.concatenate([centre, [0.9], joints.ravel()])
        again = row.copy()
        again[:5] += (3, 2, 0, 0, -0.1)
        other = np.concatenate([[20, 20, 30, 30, 0.02], joints.ravel()])
        session = _Session([1, 3, 640, 640], lambda x: [np.stack([other, again, row, again]).T[None]])
    elif family == "end-to-end":
        row = np.concatenate([box, [0.9, 0], joints.ravel()])
        session = _Session([1, 3, 640, 640], lambda x: [np.stack([row, 0 * row])[None]])
    elif family == "rtmo":
        session = _Session(
            ["n", 3, "h", "w"], lambda x: [np.append(box, 0.9)[None, None], joints[None, None]], outputs=2
        )
    else:
        fractions = joints[:, [1, 0, 2]] / (640, 640, 1)
        flat = np.concatenate([fractions.ravel(), [box[1] / 640, box[0] / 640, box[3] / 640, box[2] / 640, 0.9]])
        output = fractions[None, None] if family == "movenet" else np.stack([flat, 0 * flat])[None]
        session = _Session([1, 640, 640, 3], lambda x: [output], type="tensor(int32)")
    image = np.full((800, 400, 3), (250, 5, 10), np.uint8)
    ((found,),) = OnnxPose(onnx(session)).poses([image])
    assert np.abs(found.joints[:, :2] - JOINTS).max() < 0.01
    assert np.allclose(found.joints[:, 2], 0.8)
    assert found.confidence == pytest.approx(0.8 if family == "movenet" else 0.9)
    assert np.abs(np.array(found.box) - (95, 60, 305, 730)).max() < (60 if channels_last else 0.01)
    seen = session.seen[0][0]
    pixel = seen[320, 160 + left] if channels_last else seen[:, 320, 160 + left]
    expected = {"rtmo": [10, 5, 250]}.get(family, [250, 5, 10] if seen.max() > 1 else [250 / 255, 5 / 255, 10 / 255])
    assert np.allclose(pixel, expected, atol=1e-3)


@pytest.mark.parametrize("output", [np.zeros((1, 84, 10)), np.zeros((1, 5))])
def test_other_networks_are_no_poses(onnx: Any, output: np.ndarray[Any, Any]) -> None:
    with pytest.raises(UserError, match="a YOLO-pose, RTMO or MoveNet of COCO's 17 joints is needed"):
        OnnxPose(onnx(_Session([1, 3, 64, 64], lambda x: [output]))).poses([halves()])


def test_a_missing_runtime_and_a_missing_file_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="onnxruntime is missing; pip install"):
        OnnxPose(tmp_path / "none.onnx")


def landmarks() -> np.ndarray[Any, Any]:
    """Return BlazePose's 33 landmarks: visible, each at another place."""
    place = np.linspace(0.1, 0.9, 33)
    return np.column_stack([place, place[::-1], np.ones(33), np.ones(33)])


def test_blazeposes_landmarks_become_the_17_joints() -> None:
    found = body_pose(landmarks(), (1000, 500))
    by_name = {"NOSE": 0, "LEFT_EYE": 2, "RIGHT_EYE": 5, "LEFT_EAR": 7, "RIGHT_EAR": 8, "LEFT_SHOULDER": 11,
               "RIGHT_SHOULDER": 12, "LEFT_ELBOW": 13, "RIGHT_WRIST": 16, "LEFT_HIP": 23, "RIGHT_KNEE": 26,
               "LEFT_ANKLE": 27, "RIGHT_ANKLE": 28}  # fmt: skip
    for name, landmark in by_name.items():
        assert SLOTS[Keypoint[name]] == landmark
        assert found.joints[Keypoint[name], 0] == pytest.approx(1000 * landmarks()[landmark, 0])
        assert found.joints[Keypoint[name], 1] == pytest.approx(500 * landmarks()[landmark, 1])
    assert (found.joints[:, 2] == 1).all()
    assert found.confidence == 1


def test_joints_outside_the_image_are_absent_and_covered_ones_are_hidden() -> None:
    rows = landmarks()
    rows[27] = (0.5, 1.2, 0.9, 0.9)  # the left ankle, guessed below the edge
    rows[15, 2] = 0.0  # the left wrist, behind the back
    rows[16, 3] = 0.1  # the right wrist, not in the image
    joints = body_pose(rows, (1000, 500)).joints
    assert joints[Keypoint.LEFT_ANKLE].tolist() == [0, 0, 0]
    assert 0.35 <= joints[Keypoint.LEFT_WRIST, 2] < 0.6
    assert joints[Keypoint.RIGHT_WRIST, 2] < 0.35


class _Tensor:
    def __init__(self, values: np.ndarray[Any, Any]) -> None:
        self.values = values

    def __getitem__(self, number: int) -> _Tensor:
        return _Tensor(self.values[number])

    def numpy(self) -> np.ndarray[Any, Any]:
        return self.values


@pytest.fixture
def fashn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of weights, and the package: it labels red 3 and all else 16."""

    class Parser:
        labels = 18

        def __init__(self, model_id: str, device: str) -> None:
            assert (model_id, device) == (str(tmp_path / "fashn-human-parser"), "cpu")
            config = type("Config", (), {"num_labels": self.labels})
            self.model = type("Model", (), {"config": config})

        def predict(self, image: Pixels, return_logits: bool) -> _Tensor:
            assert return_logits
            assert max(image.shape) <= 1024
            return _Tensor(scores(np.where(image[..., 0] > 100, 3, 16), self.labels))

    module = ModuleType("fashn_human_parser")
    module.FashnHumanParser = Parser  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "fashn_human_parser", module)
    folder = tmp_path / "fashn-human-parser"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).touch()
    return folder


def test_fashns_parser_labels_large_images_at_a_smaller_size(fashn: Path) -> None:
    parsed = FashnParser(fashn).parse(halves((1500, 2000)))
    assert parsed.numbers.shape == (2000, 1500)
    assert set(np.unique(parsed.numbers[:990])) == {3}
    assert set(np.unique(parsed.numbers[1010:])) == {16}
    assert parsed.confidence > 0.99


@pytest.mark.parametrize(
    ("imported", "value", "offline"),
    [(True, None, False), (False, None, False), (False, "0", False), (False, "false", False), (False, "yes", True)],
)
def test_fashns_parser_asks_no_hub_and_lets_others_ask(
    fashn: Path, monkeypatch: pytest.MonkeyPatch, imported: bool, value: str | None, offline: bool
) -> None:
    """A dataset may be read from `hf://` afterwards; huggingface_hub keeps what it read when it was imported."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
    hub = ModuleType("huggingface_hub.constants")
    hub.HF_HUB_OFFLINE = False  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, hub.__name__, raising=False)
    if imported:
        monkeypatch.setitem(sys.modules, hub.__name__, hub)
    heard: list[object] = []
    parser = sys.modules["fashn_human_parser"].FashnHumanParser
    load = parser.__init__

    def loading(self: Any, *arguments: Any, **named: Any) -> None:
        if not imported:
            hub.HF_HUB_OFFLINE = os.environ.get("HF_HUB_OFFLINE") == "1"  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, hub.__name__, hub)
        heard.extend([hub.HF_HUB_OFFLINE, os.environ.get("TRANSFORMERS_OFFLINE")])
        load(self, *arguments, **named)

    monkeypatch.setattr(parser, "__init__", loading)
    FashnParser(fashn)
    assert heard == [True, "1"]
    assert (hub.HF_HUB_OFFLINE, os.environ.get("HF_HUB_OFFLINE"), os.environ.get("TRANSFORMERS_OFFLINE")) == (
        offline, value, None,
    )  # fmt: skip


def test_a_folder_of_another_model_is_refused(fashn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["fashn_human_parser"].FashnHumanParser, "labels", 20)
    with pytest.raises(UserError, match="a SegFormer of 20 labels, not of FASHN's 18"):
        FashnParser(fashn)
    (fashn / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"no model\.safetensors; fetch it: prep weights fetch fashn"):
        FashnParser(fashn)
    monkeypatch.setitem(sys.modules, "fashn_human_parser", None)
    (fashn / "model.safetensors").touch()
    with pytest.raises(UserError, match=r"--parser fashn needs: pip install 'tryon-cascade\[fashn\]'"):
        FashnParser(fashn)


def test_garments_on_a_plain_ground_need_no_network() -> None:
    image = shirt()
    found = PlainGarments().garment(image)
    true = (image != image[0, 0]).any(axis=2)
    mask = found > 0.5
    assert (mask & true).sum() / (mask | true).sum() > 0.97
