"""The weights that `prep annotate` can use: where they are published, under which licence, and their checksums.

Checksums are those of the files as published; a file without one is checked by the digest that its server states.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_REMBG: Final = "https://github.com/danielgatis/rembg/releases/download/v0.0.0"
_MEDIAPIPE: Final = "https://storage.googleapis.com/mediapipe-models/pose_landmarker"
_FASHN: Final = "https://huggingface.co/fashn-ai/fashn-human-parser/resolve/main"
_SCHP: Final = "https://huggingface.co/yisol/IDM-VTON/resolve/main/humanparsing"


@dataclass(frozen=True)
class File:
    """One file of a network's weights."""

    name: str
    """Path below the weights' folder"""
    url: str
    sha256: str = ""
    """"" if none was published"""
    size: int | None = None
    """Bytes"""


@dataclass(frozen=True)
class Weights:
    """The weights of one network."""

    name: str
    estimates: str
    """What the network is for"""
    licence: str
    files: tuple[File, ...]


CATALOGUE: Final = (
    Weights(
        "pose_landmarker_full", "poses, by mediapipe", "Apache-2.0",
        (File(
            "pose_landmarker_full.task", f"{_MEDIAPIPE}/pose_landmarker_full/float16/1/pose_landmarker_full.task",
            "5134a3aad27a58b93da0088d431f366da362b44e3ccfbe3462b3827a839011b1", 9_398_198,
        ),),
    ),
    Weights(
        "pose_landmarker_heavy", "poses, by mediapipe; slower and better", "Apache-2.0",
        (File(
            "pose_landmarker_heavy.task", f"{_MEDIAPIPE}/pose_landmarker_heavy/float16/1/pose_landmarker_heavy.task",
            "64437af838a65d18e5ba7a0d39b465540069bc8aae8308de3e318aad31fcbc7b",
        ),),
    ),
    Weights(
        "yolo11n-pose", "poses, by yolo", "AGPL-3.0, or Ultralytics' commercial licence",
        (File(
            "yolo11n-pose.pt", "https://github.com/ultralytics/assets/releases/download/v8.3.0/yolo11n-pose.pt",
            "869e83fcdffdc7371fa4e34cd8e51c838cc729571d1635e5141e3075e9319dc0",
        ),),
    ),
    Weights(
        "u2net_human_seg", "which pixels show the person, by rembg", "Apache-2.0",
        (File(
            "u2net_human_seg.onnx", f"{_REMBG}/u2net_human_seg.onnx",
            "01eb6a29a5c4d8edb30b56adad9bb3a2a0535338e480724a213e0acfd2d1c73c", 175_997_641,
        ),),
    ),
    Weights(
        "u2net_cloth_seg", "worn clothes, by rembg", "MIT; trained on iMaterialist Fashion 2019, read its terms",
        (File(
            "u2net_cloth_seg.onnx", f"{_REMBG}/u2net_cloth_seg.onnx",
            "6d2cbc27bfbdc989e1fd325656d65902ecc6a3ccbe94b2d3655ec114efcb128e",
        ),),
    ),
    Weights(
        "u2net", "the garment in a product photo, by rembg", "Apache-2.0",
        (File(
            "u2net.onnx", f"{_REMBG}/u2net.onnx",
            "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491", 175_997_641,
        ),),
    ),
    Weights(
        "fashn", "regions of people, by fashn", "NVIDIA Source Code License for SegFormer: not for commercial use",
        tuple(File(f"fashn-human-parser/{name}", f"{_FASHN}/{name}") for name in ("config.json", "model.safetensors")),
    ),
    Weights(
        "schp-atr", "regions of people, by --parser FILE --labels atr",
        "SCHP's code is MIT; published with IDM-VTON, CC BY-NC-SA-4.0: not for commercial use",
        (File("parsing_atr.onnx", f"{_SCHP}/parsing_atr.onnx"),),
    ),
    Weights(
        "schp-lip", "regions of people, by --parser FILE --labels lip",
        "SCHP's code is MIT; published with IDM-VTON, CC BY-NC-SA-4.0: not for commercial use",
        (File("parsing_lip.onnx", f"{_SCHP}/parsing_lip.onnx"),),
    ),
)  # fmt: skip
"""Every network that is known by name."""

BY_NAME: Final = {weights.name: weights for weights in CATALOGUE}
