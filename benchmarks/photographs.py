"""Success rate of `prep annotate`'s estimators on photographs.

    python benchmarks/photographs.py [--photos FOLDER] [--weights FOLDER] [--out FOLDER]

FOLDER holds people/ and garments/; by default photos/ of the real photographs, and weights/. All images are annotated,
in arbitrary pairs; prints the numbers of usable and rejected images, with the reasons. ``--out`` keeps the output, with
a preview of each image. Results of networks trained on drawn people (tests/helpers/drawn_networks.py) say nothing about
published weights.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

sys.path += [
    str(Path(__file__).parents[1] / folder) for folder in (".", "tests/helpers")
]  # for environments without the package

from common.errors import UserError
from preprocess.annotation.estimators.choice import load_estimators
from preprocess.annotation.photographs import SUFFIXES
from preprocess.annotation.requested_pairs import FOLDERS, PAIRS
from preprocess.annotation.session import Report, annotate

_DATA = Path(os.environ.get("TRYON_REAL_DATA", Path(__file__).parents[2] / "shared" / "data"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, default=_DATA / "photos")
    parser.add_argument("--weights", type=Path, default=Path(os.environ.get("TRYON_WEIGHTS", "weights")))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if not given.photos.is_dir() or not given.weights.is_dir():
        print(f"skipped: no photographs in {given.photos}, or no weights in {given.weights}")
        return
    import torchvision_ops  # needs torch

    torchvision_ops.provide()
    with tempfile.TemporaryDirectory() as folder:
        src, out = Path(folder, "photos"), given.out or Path(folder, "annotated")
        counts = copy_with_pairs(given.photos, src)
        started = time.perf_counter()
        try:
            report = annotate(
                src,
                out,
                lambda needs: load_estimators([given.weights], needs),
                lambda done, total: None,
                least=0.5,
                strict=False,
            )
        except UserError as error:
            sys.exit(f"{Path(__file__).name}: {error}")
        print_table(report, counts, time.perf_counter() - started)


def copy_with_pairs(photos: Path, src: Path) -> dict[str, int]:
    """Copy the photographs and pair them, each at least once; return the number of each."""
    names = {}
    for folder in FOLDERS:
        (src / folder).mkdir(parents=True)
        found = sorted(path for path in (photos / folder).rglob("*") if path.suffix.lower() in SUFFIXES)
        names[folder] = [path.name for path in found]
        for path in found:
            shutil.copy(path, src / folder / path.name)
    most = max(map(len, names.values()))
    pairs = zip(*(islice(cycle(names[folder]), most) for folder in FOLDERS), strict=True)
    with (src / PAIRS).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("person", "garment"), *pairs])
    return {folder: len(found) for folder, found in names.items()}


def print_table(report: Report, counts: dict[str, int], seconds: float) -> None:
    print("| | pictures | usable | of these doubtful | rejected, why |\n|---|---|---|---|---|")
    for folder, count in counts.items():
        mine = [outcome for outcome in report.outcomes if outcome.photo.folder == folder]
        usable = [outcome for outcome in mine if outcome.reason is None]
        reasons = Counter(outcome.reason.partition(":")[0] for outcome in mine if outcome.reason)
        why = ", ".join(f"{number} {reason}" for reason, number in reasons.most_common()) or "–"
        doubtful = sum(bool(outcome.notes) for outcome in usable)
        print(f"| {folder} | {count} | {len(usable)} | {doubtful} | {why} |")
    print(f"\n{sum(counts.values()) / seconds:.2f} pictures/s, including loading the networks")


if __name__ == "__main__":
    main()
