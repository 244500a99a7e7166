"""Small networks trained on drawn people, in the place of weights that no package ships.

They drive the real estimators: ultralytics trains and runs the pose network, rembg runs the other two as if they were
its own. A folder named by TRYON_DRAWN_WEIGHTS keeps them between runs; without it they are trained anew, in minutes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from preprocess.annotation.estimators.protocols import LOWER, NONE, UPPER, WHOLE
from preprocess.annotation.labels.parsed_person import _MARGIN
from preprocess.formats.images import Mask
from preprocess.synthetic.drawing.annotated import BACKGROUND, MODEL_REGIONS, Drawing
from preprocess.synthetic.outfits import make_plan
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.person import person
from preprocess.synthetic.people.pose import frame_yaw, pose
from schemas import FLIP, Split

POSE, HUMAN, CLOTHES = "yolo-drawn-pose.pt", "u2net_human_seg.onnx", "u2net_cloth_seg.onnx"

_POSE_SIDE, _POSE_PEOPLE, _POSE_EPOCHS = 160, 800, 40
_SIDE = 256
"""Side of the squares that the masks' network reads."""
_MASK_PEOPLE, _MASK_EPOCHS, _BATCH = 1600, 10, 4
_BARE = 4
"""What the labels call the pixels of a person that no garment covers."""
_MEAN, _SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DrawnPerson(NamedTuple):
    """A drawn person, what is worn where, and whether it is a dress."""

    drawing: Drawing
    clothes: NDArray[np.uint8]
    """(h, w) of NONE, UPPER, LOWER, WHOLE"""
    dressed: bool

    @property
    def silhouette(self) -> Mask:
        """Where the person is, clothes and all."""
        found: Mask = self.drawing.labels != BACKGROUND
        return found

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width, height of the person."""
        x, y, width, height = cv2.boundingRect(self.silhouette.view(np.uint8))
        return x, y, width, height


def drawn_people(split: Split, seed: int, count: int, frames: Sequence[str] = ("000", "044")) -> Iterator[DrawnPerson]:
    """Draw people of one split of a plan, each in one of the frames in turn."""
    plan = make_plan(6 * count, seed)
    looks = [look for look in plan.looks if look.split == split][:count]
    assert len(looks) == count
    for number, look in enumerate(looks):
        stance = pose(look.pose)
        kinds = {plan.items[item].kind for item in look.items}
        outfit = [plan.items[item].garment() for item in look.items]
        yaw = frame_yaw(stance, frames[number % len(frames)])
        drawing = draw_look(person(look.person), stance, yaw, outfit)
        yield DrawnPerson(drawing, _clothes(drawing, "dress" in kinds), "dress" in kinds)


def _clothes(drawing: Drawing, dress: bool) -> NDArray[np.uint8]:
    table = np.full(256, NONE, np.uint8)
    for number, name in enumerate(MODEL_REGIONS):
        if name.startswith(("inner", "outer")):
            table[number] = WHOLE if dress else UPPER
        elif name.startswith(("pants", "skirt")):
            table[number] = WHOLE if dress else LOWER
    return np.asarray(cv2.LUT(drawing.labels, table), np.uint8)


def train_pose(weights: Path, work: Path) -> None:
    """Train a YOLO-pose of less than a million parameters, by ultralytics' own trainer."""
    from preprocess.annotation.estimators.yolo import _imported

    model_class = _imported()
    for split, seed, count in (("train", 1, _POSE_PEOPLE), ("val", 2, 8)):
        _write_pose_set(work / split, drawn_people("train", seed, count))
    document = {
        "path": str(work), "train": "train/images", "val": "val/images", "names": {0: "person"},
        "kpt_shape": [17, 3], "flip_idx": [int(place) for place in FLIP],
    }  # fmt: skip
    (work / "data.yaml").write_text(_yaml(document))
    (work / "small-pose.yaml").write_text(_small_pose())
    model = model_class(str(work / "small-pose.yaml"), task="pose")
    model.train(
        data=str(work / "data.yaml"), imgsz=_POSE_SIDE, epochs=_POSE_EPOCHS, batch=16, device="cpu", workers=0,
        amp=False, plots=False, val=False, cache="ram", seed=0, verbose=False, project=str(work), name="run",
        exist_ok=True, close_mosaic=30, pose=24.0, nbs=16,  # or it steps after every fourth batch
    )  # fmt: skip
    weights.write_bytes((work / "run" / "weights" / "last.pt").read_bytes())


def _small_pose() -> str:
    from ultralytics.utils import ROOT, YAML

    document = YAML.load(ROOT / "cfg" / "models" / "v8" / "yolov8-pose.yaml")
    document |= {"nc": 1, "kpt_shape": [17, 3], "scales": {"n": [0.33, 0.1875, 256]}, "scale": "n"}
    return _yaml(document)


def _yaml(document: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(document, sort_keys=False)


def _write_pose_set(folder: Path, people: Iterator[DrawnPerson]) -> None:
    for leaf in ("images", "labels"):
        (folder / leaf).mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(people):
        height, width = one.drawing.labels.shape
        small = cv2.resize(one.drawing.image, (_POSE_SIDE * width // height, _POSE_SIDE), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / "images" / f"{number:04}.png"), np.ascontiguousarray(small[..., ::-1]))
        x, y, wide, high = one.box
        joints = one.drawing.keypoints / (width, height, 1)
        numbers = [(x + wide / 2) / width, (y + high / 2) / height, wide / width, high / height, *joints.ravel()]
        line = " ".join(f"{value:.6f}" for value in numbers)
        (folder / "labels" / f"{number:04}.txt").write_text(f"0 {line}\n")


class MaskNet(nn.Module):
    """A small U-Net: from 3 x 256 x 256 to the logits of four classes of clothes, and of person or not."""

    def __init__(self) -> None:
        super().__init__()
        widths = (24, 32, 64, 96, 128)
        self.down = nn.ModuleList(
            _block(before, after, 2 if number < 1 else 1)
            for number, (before, after) in enumerate(zip((3, *widths[:-1]), widths, strict=True))
        )
        self.up = nn.ModuleList(
            _block(below + beside, beside) for below, beside in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.out = nn.Conv2d(widths[0], 5, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        features = []
        x = pictures
        for number, block in enumerate(self.down):
            x = block(F.max_pool2d(x, 2) if number else x)
            features.append(x)
        for block, beside in zip(self.up, features[-2::-1], strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), beside], dim=1))
        logits: Tensor = F.interpolate(self.out(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        return logits


def _block(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True),
    )  # fmt: skip


class _AsRembgs(nn.Module):
    """The network with the input and output of one of rembg's; a picture is looked at from both sides."""

    def __init__(self, net: MaskNet, side: int, clothes: bool) -> None:
        super().__init__()
        self.net, self.side, self.clothes = net, side, clothes

    def forward(self, pictures: Tensor) -> Tensor:
        small = F.interpolate(pictures, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False)
        logits = (self.net(small) + self.net(small.flip(-1)).flip(-1)) / 2
        chosen = logits[:, :4] if self.clothes else torch.sigmoid(logits[:, 4:])
        return F.interpolate(chosen, size=(self.side, self.side), mode="bilinear", align_corners=False)


def train_masks(human: Path, clothes: Path) -> None:
    """Train one network for both masks and write it as ONNX under the names of rembg's models."""
    torch.manual_seed(0)
    pictures, labels = _mask_set()
    batches = range(0, len(pictures) - _BATCH + 1, _BATCH)
    net = MaskNet().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=_MASK_EPOCHS * len(batches))
    rng = np.random.default_rng(0)
    for order in (rng.permutation(len(pictures)) for _ in range(_MASK_EPOCHS)):
        for start in batches:
            chosen = order[start : start + _BATCH]
            x, y = _augmented(pictures[chosen], labels[chosen], rng)
            logits = net(x)
            worn = torch.where(y == _BARE, NONE, y)
            loss = F.cross_entropy(logits[:, :4], worn) + F.binary_cross_entropy_with_logits(
                logits[:, 4], (y != NONE).float()
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    net.eval()
    for path, side, which in ((human, 320, False), (clothes, 768, True)):
        torch.onnx.export(
            _AsRembgs(net, side, which).eval(), (torch.zeros(1, 3, side, side),), str(path),
            input_names=["input"], output_names=["output"], dynamo=False,
        )  # fmt: skip


def _mask_set() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return squares around people, as `prep annotate` cuts them out, and their labels: clothes, or bare."""
    rng = np.random.default_rng(1)
    pictures, labels = [], []
    for one in drawn_people("train", 3, _MASK_PEOPLE, ("000", "044", "132")):
        truth = np.where(one.silhouette & (one.clothes == NONE), _BARE, one.clothes).astype(np.uint8)
        x, y, width, height = one.box
        margin = _MARGIN * max(width, height)
        edges = np.array([x - margin, y - margin, x + width + margin, y + height + margin])
        left, top, right, bottom = np.rint(edges + rng.uniform(-0.3, 0.3, 4) * margin).astype(int)
        box = slice(max(0, top), bottom), slice(max(0, left), right)
        pictures.append(cv2.resize(one.drawing.image[box], (_SIDE, _SIDE), interpolation=cv2.INTER_AREA))
        labels.append(cv2.resize(truth[box], (_SIDE, _SIDE), interpolation=cv2.INTER_NEAREST))
    return np.stack(pictures).astype(np.uint8), np.stack(labels).astype(np.uint8)


def _augmented(
    pictures: NDArray[np.uint8], labels: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:  # fmt: skip
    coloured = pictures.astype(np.float32) / 255
    for picture, label in zip(coloured, labels, strict=True):
        for garment in (UPPER, LOWER, WHOLE):  # other colours, so that a garment is told by where it is
            worn = label == garment
            picture[worn] = picture[worn][:, rng.permutation(3)] ** rng.uniform(0.5, 2.0)
        bare = label == _BARE
        picture[bare] **= rng.uniform(0.6, 1.6)  # lighter and darker skin and hair
    x = torch.from_numpy(coloured).permute(0, 3, 1, 2)
    y = torch.from_numpy(labels).long()
    light = torch.from_numpy(rng.uniform(0.85, 1.15, (len(x), 3, 1, 1))).float()
    x = (x * light).clamp(0, 1)
    if rng.random() < 0.5:
        x, y = x.flip(-1), y.flip(-1)
    mean, spread = (torch.tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _SPREAD))
    return ((x - mean) / spread).contiguous(memory_format=torch.channels_last), y


def drawn_weights(work: Path) -> Path:
    """Return the folder with the three files, training what is not there."""
    folder = Path(os.environ.get("TRYON_DRAWN_WEIGHTS") or work)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / POSE).is_file():
        train_pose(folder / POSE, work)
    if not all((folder / name).is_file() for name in (HUMAN, CLOTHES)):
        train_masks(folder / HUMAN, folder / CLOTHES)
    return folder
