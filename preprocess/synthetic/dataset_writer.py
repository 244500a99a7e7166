"""Writes a set of synthetic looks in the layout of AI-Hub 78, release 2.

drawn.json is written first, as the plan. A run that was stopped and is run again draws what is missing and ends with
the same bytes; so does a run that asks for more looks of the same seed.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from preprocess.libraries import use_portable_code
from preprocess.synthetic.drawing.annotated import Drawing
from preprocess.synthetic.drawing.canvas import U8
from preprocess.synthetic.garments.garment import Garment
from preprocess.synthetic.garments.item import draw_item
from preprocess.synthetic.label_files import Document, item_parse, item_pose, model_parse, model_pose
from preprocess.synthetic.outfits import SCHEMA, SPLITS, Look, Plan, Split, Variety, make_plan
from preprocess.synthetic.outline_landmarks import with_outline_landmarks
from preprocess.synthetic.output import PART, DrawnDataError, replace_file
from preprocess.synthetic.people.look import draw_look
from preprocess.synthetic.people.pose import FRAMES, frame_yaw
from preprocess.synthetic.swap_truth import FOLDER, SwapTask, Wearing, plan_swaps, write_list
from preprocess.workers import open_pool

JPEG_QUALITY: Final = 92

_LABELS: Final[dict[Split, str]] = {
    "train": "01.데이터/1.Training/라벨링데이터_230515_add/2021_Fashion_train_labels_v230428",
    "val": "01.데이터/2.Validation/라벨링데이터_230515_add/2021_Fashion_val_labels_v230428",
}
_ITEM_IMAGES: Final[dict[Split, str]] = {
    "train": "01.데이터/1.Training/원천데이터_230515_add/2021_Fashion_train_itemimages_v230428/Item-Image",
    "val": "01.데이터/2.Validation/원천데이터_230515_add/2021_Fashion_val_images_v230428/Item-Image",
}
_MODEL_IMAGES: Final[dict[Split, str]] = {
    "train": "01.데이터/1.Training/원천데이터_230515_add/2021_Fashion_train_modelimages_v230428/Model-Image",
    "val": "01.데이터/2.Validation/원천데이터_230515_add/2021_Fashion_val_images_v230428/Model-Image",
}


@dataclass(frozen=True)
class DatasetSummary:
    """Counts of a set's content."""

    looks: int
    items: int
    model_images: int
    item_images: int
    validation_looks: int
    truth_looks: int
    """Looks with ground truth in other garments"""
    swaps: int
    """Ground-truth images"""
    garments_each: tuple[int, int]
    """Fewest and most garments that one of them is drawn in, in place of one of its own"""


@dataclass(frozen=True)
class _Files:
    """The three files of one image."""

    image: Path
    pose: Path
    parse: Path

    @property
    def complete(self) -> bool:
        return self.image.exists() and self.pose.exists() and self.parse.exists()


@dataclass(frozen=True)
class _LookTask:
    out: Path
    look: Look
    outfit: tuple[Garment, ...]

    def run(self) -> None:
        who, stance = self.look.wearer(), self.look.stance()
        for frame in FRAMES:
            stem = f"{self.look.id}_{frame}"
            files = _files(self.out, self.look.split, "Model", stem)
            if not files.complete:
                drawing = draw_look(who, stance, frame_yaw(stance, frame), self.outfit)
                _write(files, drawing, model_pose(drawing, stem), model_parse(drawing, stem))


@dataclass(frozen=True)
class _ItemTask:
    out: Path
    split: Split
    id: str
    garment: Garment

    def run(self) -> None:
        for side in "FB":
            stem = f"{self.id}_{side}"
            files = _files(self.out, self.split, "Item", stem)
            if not files.complete:
                drawing = draw_item(self.garment, back=side == "B")
                slot = self.garment.slot
                if self.garment.product is not None:
                    drawing = with_outline_landmarks(drawing, slot)
                _write(files, drawing, item_pose(drawing, stem, slot), item_parse(drawing, stem, slot))


_Task = _LookTask | _ItemTask | SwapTask


def write_dataset(
    out: Path,
    *,
    looks: int,
    seed: int,
    truth: int = 0,
    variety: Variety = "easy",
    workers: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> DatasetSummary:
    """Write ``looks`` looks and their garments below ``out``, and the truth of swaps for ``truth`` of the looks.

    workers: processes, 0 = one per core, 1 = this process; progress: called with (done, all) tasks. The files are a
    function of looks, seed, truth, variety; truth 0 leaves what an earlier run wrote of it. Raise DrawnDataError where
    ``out`` holds anything but an earlier run of this.
    """
    if workers < 0:
        raise DrawnDataError(f"workers: {workers} is negative; give 0 for one per core, or a number of processes")
    plan = make_plan(looks, seed, variety)
    wearings = plan_swaps(plan, truth)
    if truth and not wearings:
        raise DrawnDataError(f"truth: no validation look of {looks} looks has two other garments; give more looks")
    _claim(out, plan)
    tasks: list[_Task] = [_ItemTask(out, item.split, item.id, item.garment()) for item in plan.items.values()]
    for look in plan.looks:
        outfit = tuple(plan.items[item].garment() for item in look.items)
        tasks.append(_LookTask(out, look, outfit))
    tasks += [SwapTask(out, wearing) for wearing in wearings]
    if truth:
        (out / FOLDER).mkdir(exist_ok=True)
    for done, _ in enumerate(_run(tasks, workers or os.cpu_count() or 1), start=1):
        if progress is not None:
            progress(done, len(tasks))
    for split in SPLITS:
        rows = [plan.wearing(look) for look in plan.looks if look.split == split]
        text = json.dumps(rows, ensure_ascii=False, indent=4)
        replace_file(out / _LABELS[split] / f"winfo_{split}.json", text.encode())
    if truth:
        write_list(out, wearings)
    return _summary(plan, wearings)


def _summary(plan: Plan, wearings: list[Wearing]) -> DatasetSummary:
    counts = [len(wearing.others) for wearing in wearings]
    return DatasetSummary(
        looks=len(plan.looks),
        items=len(plan.items),
        model_images=len(plan.looks) * len(FRAMES),
        item_images=len(plan.items) * 2,
        validation_looks=sum(look.split == "val" for look in plan.looks),
        truth_looks=len({wearing.look.id for wearing in wearings}),
        swaps=sum(counts),
        garments_each=(min(counts, default=0), max(counts, default=0)),
    )


def _claim(out: Path, plan: Plan) -> None:
    """Prepare ``out``: refuse other files, remove partially written ones, write the plan."""
    if out.exists() and not out.is_dir():
        raise DrawnDataError(f"{out}: is a file; give a folder")
    path = out / "drawn.json"
    if out.exists() and any(out.iterdir()):
        _check_same(path, plan)
        for part in out.rglob(f"*{PART}"):
            part.unlink()
    for split in SPLITS:
        for folder in (_ITEM_IMAGES[split], _MODEL_IMAGES[split]):
            (out / folder).mkdir(parents=True, exist_ok=True)
        for leaf in ("Item-Pose", "Item-Parse", "Model-Pose", "Model-Parse"):
            (out / _LABELS[split] / leaf).mkdir(parents=True, exist_ok=True)
    replace_file(path, (json.dumps(plan.document(), indent=1) + "\n").encode())


def _check_same(path: Path, plan: Plan) -> None:
    """Raise DrawnDataError unless the existing plan is this one or a prefix of it."""
    if not path.exists():
        # Only the very first file of a run that was stopped at once may be there.
        if [entry.name for entry in path.parent.iterdir()] == [path.name + PART]:
            return
        raise DrawnDataError(f"{path.parent}: holds other files; give an empty or a new folder")
    try:
        old: Any = json.loads(path.read_bytes())
        known = (old["schema"], old["seed"], old.get("variety", "easy"), int(old["looks"]))
    except (ValueError, KeyError, TypeError) as error:
        raise DrawnDataError(f"{path}: not a plan of drawn data ({error}); give an empty folder") from error
    if known[2] != plan.variety:
        raise DrawnDataError(f"{path.parent}: holds the {known[2]} set; give --variety {known[2]}, or an empty folder")
    if known[:2] != (SCHEMA, plan.seed) or known[3] > len(plan.looks):
        raise DrawnDataError(
            f"{path.parent}: holds drawn data of seed {known[1]} and {known[3]} looks; "
            "give the same seed and at least as many looks, or an empty folder"
        )


def _run(tasks: list[_Task], workers: int) -> Iterator[None]:
    """Run the tasks, yielding after each."""
    use_portable_code()
    if workers == 1:
        for task in tasks:
            yield task.run()
        return
    try:
        with open_pool(min(workers, len(tasks)), context=multiprocessing.get_context("spawn")) as pool:
            for future in as_completed([pool.submit(task.run) for task in tasks]):
                yield future.result()
    except BrokenProcessPool as error:
        raise DrawnDataError("a worker was killed, perhaps out of memory; give fewer --workers") from error


def _files(out: Path, split: Split, subject: str, stem: str) -> _Files:
    images = _ITEM_IMAGES if subject == "Item" else _MODEL_IMAGES
    labels = out / _LABELS[split]
    return _Files(
        out / images[split] / f"{stem}.jpg",
        labels / f"{subject}-Pose" / f"{stem}.json",
        labels / f"{subject}-Parse" / f"{stem}.json",
    )


def _write(files: _Files, drawing: Drawing, pose_file: Document, parse_file: Document) -> None:
    replace_file(files.pose, json.dumps(pose_file).encode())
    replace_file(files.parse, json.dumps(parse_file).encode())
    replace_file(files.image, _jpeg(drawing.image, drawing.quality or JPEG_QUALITY))


def _jpeg(image: U8, quality: int) -> bytes:
    _, data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return data.tobytes()
