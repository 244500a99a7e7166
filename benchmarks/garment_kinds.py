"""How often a garment's kind is recognised by its outline: on drawn garments, VITON-HD's masks, and photographs.

    python benchmarks/garment_kinds.py [--looks 60] [--real ../shared/data]

Drawn garments have known kinds and outlines, in the easy set and in the varied one. Of `viton-hd/*/cloth-mask/` all
are tops. Photographs in `photos/garments/` are named after what they show (`cc0_skirt_….jpg`); GrabCut stands in for
the mask of an estimator. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from schemas import Garment
from train.inference.outfits.garment_kind import Outline, guess_kind, outline_of
from train.serving.uploads import garment_kind

KINDS: dict[str, Garment] = {"dress": "dress", "pants": "lower", "shorts": "lower", "skirt": "lower"}
"""Of photographs, by the word in their names; all others are tops."""
RIM = 6
NEAR = 12
"""Levels of difference from the rim's median colour below which a pixel begins as background."""

Shown = Iterator[tuple[Garment, Outline | None]]


def drawn(variety: str, looks: int) -> Shown:
    with tempfile.TemporaryDirectory() as name:
        words = ["sample-data", "--out", name, "--looks", str(looks), "--variety", variety, "--workers", "1"]
        subprocess.run([sys.executable, "-m", "preprocess", *words], check=True, capture_output=True)
        for parse in sorted(Path(name).rglob("Item-Parse/*_F.json")):
            kind = garment_kind(json.loads(next(Path(name).rglob(f"Item-Pose/{parse.name}")).read_bytes()))
            if kind is not None:
                yield kind, outline_of(json.loads(parse.read_bytes()))


def masks(folder: Path) -> Shown:
    for path in sorted(folder.glob("*/cloth-mask/*.jpg")):
        yield "upper", np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) > 127


def photographs(folder: Path) -> Shown:
    for path in sorted(folder.glob("*.jpg")):
        yield KINDS.get(path.stem.split("_")[1], "upper"), cut_out(np.asarray(cv2.imread(str(path))))


def cut_out(image: np.ndarray) -> Outline:
    scale = 256 / max(image.shape)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    labels = np.full(small.shape[:2], cv2.GC_PR_FGD, np.uint8)
    rim = np.ones(labels.shape, np.bool_)
    rim[RIM:-RIM, RIM:-RIM] = False
    ground = np.median(np.concatenate([small[:RIM].reshape(-1, 3), small[-RIM:].reshape(-1, 3)]), axis=0)
    labels[np.abs(small.astype(float) - ground).max(axis=2) < NEAR] = cv2.GC_PR_BGD
    labels[rim] = cv2.GC_BGD
    cv2.grabCut(small, labels, (0, 0, 1, 1), np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_MASK)
    return np.isin(labels, (cv2.GC_FGD, cv2.GC_PR_FGD))


def row(name: str, shown: Shown) -> str:
    guesses = Counter((kind, "none" if outline is None else guess_kind(outline)) for kind, outline in shown)
    right = sum(count for (kind, guess), count in guesses.items() if kind == guess)
    wrong = ", ".join(
        f"{kind} as {guess}: {count}" for (kind, guess), count in sorted(guesses.items()) if kind != guess
    )
    return f"| {name} | {right} of {guesses.total()} | {wrong or '–'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=60)
    parser.add_argument("--real", type=Path)
    arguments = parser.parse_args()
    print("| garments | recognised | wrong |\n|---|---|---|")
    for variety in ("easy", "varied"):
        print(row(f"drawn, {variety}", drawn(variety, arguments.looks)), flush=True)
    if arguments.real:
        print(row("VITON-HD's masks", masks(arguments.real / "viton-hd")))
        print(row("photographs, cut out by GrabCut", photographs(arguments.real / "photos/garments")))


if __name__ == "__main__":
    main()
