"""Does the cascade learn? Train on synthetic people, dress held-out people in new garments, compare with the truth.

    python benchmarks/learning/study.py [--folder learn] [PART ...]

Without a PART it does what `make learn` does: `cascade`, then `gains` and `sampling`. Parts:

- cascade   draw a dataset with the truth of swaps, build its shards, train the three stages (base.yaml, sr256.yaml,
            sr1024.yaml), evaluate, and write docs/measurements/learning.jpg;
- gains     each later stage against bicubic enlargement, given the true small picture;
- sampling  the base stage's score against the number of network evaluations, for each sampler;
- study     short runs of the base stage that differ from base.yaml in one thing;
- sizes     short runs of the base stage in three widths and depths, on 400 drawn people of the varied set;
- real      overfit the looks of the folder that TRYON_REAL_DATA names through all stages, and swap their garments.

Each writes its table between its marks in docs/measurements/learning.md. What the folder holds is not made again; a
training that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from evaluations import evaluations
from gains import gains
from PIL import Image
from real import real
from sizes import sizes
from study_tools import COLUMNS, HERE, ROOT, STAGES, cells, evaluated, fit, header, program, write

LOOKS, PEOPLE, SWAPS = 1500, 60, 96
STUDY_STEPS, STUDY_SWAPS = 400, 32
_OWN_DATA = ("real", "sizes")
"""Parts that make their own shards."""
UNWARPED = ("model.warp=false", "model.copies=false", "diffusion.warp_loss=0")
PAINTED = ("model.copies=false", "diffusion.warp_loss=0")
STUDY: dict[str, tuple[str, ...]] = {
    "base.yaml": (),
    "copying by the diffusion loss alone": ("diffusion.warp_loss=0",),
    "the warp as an input, no copying": PAINTED,
    "anchors from the joints": ("model.anchors=joints",),
    "neither warp nor pose_maps: cross-attention alone, as in the paper": (
        "model.garment=cross-attention", "model.pose_maps=false", *UNWARPED,
    ),
    "concatenation alone (the paper's ablation)": ("model.pose_maps=false", *UNWARPED),
    "no garment": ("model.garment=none", *UNWARPED),
    "v instead of x, no copying": ("diffusion.prediction=v", *PAINTED),
    "no pose_maps": ("model.pose_maps=false",),
    "cross-attention and the warp": ("model.garment=cross-attention",),
    "Adam at 1e-3": ("optim.name=adam", "optim.lr=1e-3"),
    "the loss on all pixels": ("diffusion.keep_shown=false",),
    "the hem shown": ("diffusion.hide_hem=false",),
    "times from U(0, 1)": ("diffusion.t_shift=1",),
}  # fmt: skip


def main() -> None:
    parts: dict[str, Callable[[Path], None]] = {
        "cascade": cascade, "gains": gains, "sampling": evaluations, "study": study, "sizes": sizes,
        "real": real,
    }  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("learn"))
    parser.add_argument("parts", nargs="*", default=["cascade", "gains", "sampling"], metavar="PART")
    given = parser.parse_args()
    for name in given.parts:
        if name not in parts:
            parser.error(f"no part {name!r}: one of {', '.join(parts)}")
        if name not in _OWN_DATA:
            prepare(given.folder)
        parts[name](given.folder)


def prepare(folder: Path) -> None:
    """Draw and build, both of which go on where they were stopped."""
    program("preprocess", "sample-data", "--out", folder / "aihub", "--looks", LOOKS, "--truth", PEOPLE)
    program("preprocess", "build-shards", "--src", folder / "aihub", "--out", folder / "shards")


def cascade(folder: Path) -> None:
    """Train the three stages, measure them, and show eight people."""
    runs, shards = folder / "runs", folder / "shards"
    minutes = {stage: fit(runs, shards, stage, HERE / f"{stage}.yaml") for stage in STAGES}
    truth = evaluated(runs, folder, SWAPS)["truth"]
    taken = ", ".join(f"{stage} {minutes[stage]:.0f}" for stage in STAGES)
    lines = [
        f"{truth['people']} people in garments that they never wear, {truth['swaps']} swaps; minutes of training: "
        f"{taken}.",
        "", *header("stage", "picture", *COLUMNS.values()),
    ]  # fmt: skip
    for stage, rows in truth["stages"].items():
        lines += [f"| {stage} | {row} | {cells(values)} |" for row, values in rows.items()]
    write("results", "\n".join(lines))
    program("train", "sample", "--runs", runs, "--shards", shards, "--out", folder / "samples")
    Image.open(folder / "samples/sheet.png").convert("RGB").save(ROOT / "docs/measurements/learning.jpg", quality=88)


def study(folder: Path) -> None:
    """Train and measure the short runs."""
    lines = header("run", "changed", "minutes", *COLUMNS.values())
    for name, settings in STUDY.items():
        runs = folder / "study" / name.split(":")[0].replace(" ", "-")
        minutes = fit(runs, folder / "shards", "base", HERE / "base.yaml", f"steps={STUDY_STEPS}", *settings)
        found = evaluated(runs, folder, STUDY_SWAPS)["truth"]["stages"]["base"]["dressed"]
        changed = ", ".join(f"`{setting}`" for setting in settings)
        lines.append(f"| {name} | {changed} | {minutes:.1f} | {cells(found)} |")
        write("study", "\n".join(lines))


if __name__ == "__main__":
    main()
