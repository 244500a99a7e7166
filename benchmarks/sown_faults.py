"""Injects every fault of the real files into a drawn dataset; then runs inspect, build-shards and verify.

    python benchmarks/sown_faults.py [--looks 5000] [--each 10] [--src DRAWN] [--workers N]

Each fault is injected into ``--each`` files of its own. Exits with 1 unless `prep inspect` counts exactly the injected
faults and no others, every fault shows in the build's summary, and `prep verify` finds no problem. Prints a Markdown
table. ``--src`` is a dataset drawn before; its files are linked, not copied.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from preprocess.synthetic.dataset_writer import write_dataset

Edit = Callable[[Any], Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, default=5000)
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--src", type=Path, default=None)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.src.parent if given.src else None) as folder:
        drawn, root, out = given.src or Path(folder, "drawn"), Path(folder, "sown"), Path(folder, "shards")
        if given.src is None:
            write_dataset(drawn, looks=given.looks, seed=0, workers=given.workers)
        link(drawn, root)
        sown = Sower(root, given.each).sow()
        seconds = {}
        report, seconds["inspect"] = command("inspect", "--src", str(root), "--json")
        built, seconds["build-shards"] = command(
            "build-shards", "--src", str(root), "--out", str(out), "--garment", "all", "--pairing", "item"
        )
        checked, seconds["verify"] = command("verify", "--shards", str(out), "--json")
        return tell(sown, json.loads(report), built, json.loads(checked), seconds)


def link(source: Path, target: Path) -> None:
    for path in source.rglob("*"):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            os.link(path, copy)


def command(*words: str) -> tuple[str, float]:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "preprocess", *words], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"prep {' '.join(words)}: exit code {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout, time.perf_counter() - started


class Sower:
    """Picks valid looks and items and damages them; files are links, so they are replaced, never edited."""

    def __init__(self, root: Path, each: int) -> None:
        self._each = each
        self._root = root
        labels = next(root.rglob("Model-Pose")).parent
        self._labels = next(path for path in (labels, *root.rglob("*labels*")) if (path / "winfo_train.json").exists())
        self._rows = json.loads((self._labels / "winfo_train.json").read_text())
        self._people = iter([row["wearing"].removesuffix(".jpg") for row in self._rows if not row["inner_top"]])
        self._layered = iter([row for row in self._rows if row["inner_top"]])
        worn = [item for row in self._rows for slot in ("main_top", "bottom") if (item := row[slot])]
        self._items = iter(list(dict.fromkeys(worn[len(worn) // 2 :])))

    def sow(self) -> dict[str, int]:
        """Inject every fault; return the expected count of each code of `prep inspect`."""
        sown: dict[str, int] = {}
        for code, sow in self._kinds().items():
            for _ in range(self._each):
                sow()
            sown[code] = self._each
        self._write(self._labels / "winfo_train.json", json.dumps(self._rows, ensure_ascii=False).encode())
        return sown

    def _kinds(self) -> dict[str, Callable[[], None]]:
        person, product = self._person_label, self._product_label
        first = _first_region
        return {
            "missing-person-image": lambda: self._remove("Model-Image", next(self._people)),
            "missing-person-pose": lambda: self._remove("Model-Pose", next(self._people)),
            "missing-person-parse": lambda: self._remove("Model-Parse", next(self._people)),
            "missing-product-image": lambda: self._remove("Item-Image", f"{next(self._items)}_F"),
            "missing-product-pose": lambda: self._remove("Item-Pose", f"{next(self._items)}_F"),
            "missing-product-parse": lambda: self._remove("Item-Parse", f"{next(self._items)}_F"),
            "dotted-name": self._dot,
            "bad-pair": lambda: self._rows.append({"wearing": None, "main_top": "1"}),
            "bad-item-id": lambda: self._rows.append({"wearing": f"none_{len(self._rows)}_000.jpg", "hat": ["a"]}),
            "category-mismatch": product("Item-Pose", lambda d: d | {"category_name": "cap_and_hat"}),
            "copied-labels": self._copy_back,
            "swapped-sides": person("Model-Pose", _swap),
            "no-person-pose": person("Model-Pose", lambda d: d | {"landmarks": [0] * 51}),
            "no-product-pose": product("Item-Pose", lambda d: d | {"landmarks": [0] * 51}),
            "bad-pose": person("Model-Pose", lambda d: d | {"landmarks": [float("nan")] * 51}),
            "bad-parse": person("Model-Parse", lambda d: first(d, lambda r: r | {"segmentation": "polygon"})),
            "empty-parse": person("Model-Parse", lambda d: {k: v for k, v in d.items() if not k.startswith("region")}),
            "degenerate-polygon": person("Model-Parse", lambda d: first(d, _with_two_points)),
            "flat-polygon": person("Model-Parse", lambda d: first(d, _flat)),
            "repeated-region": person("Model-Parse", lambda d: d | {f"region{_regions(d) + 1}": d["region1"]}),
            "region-numbers": person("Model-Parse", lambda d: d | {"region99": _sliver()}),
            "normalised-landmarks": person("Model-Pose", _normalise),
            "nested-landmarks": person("Model-Pose", _nest),
            "missing-image-size": person("Model-Pose", lambda d: {k: v for k, v in d.items() if k != "image_size"}),
            "utf-8-bom": lambda: self._encode("utf-8-sig"),
            "cp949-text": lambda: self._encode("cp949"),
            "turned-image": self._turn,
            "bad-image": self._truncate,
            "ambiguous-layers": self._exchange_layers,
        }  # fmt: skip

    def _path(self, leaf: str, stem: str) -> Path:
        suffix = "jpg" if leaf.endswith("Image") else "json"
        return (
            next(path for path in self._root.rglob(leaf) if (path / f"{stem}.{suffix}").exists()) / f"{stem}.{suffix}"
        )

    def _remove(self, leaf: str, stem: str) -> None:
        self._path(leaf, stem).unlink()

    def _write(self, path: Path, data: bytes) -> None:
        path.unlink()
        path.write_bytes(data)

    def _change(self, path: Path, edit: Edit) -> None:
        self._write(path, json.dumps(edit(json.loads(path.read_text())), ensure_ascii=False).encode())

    def _person_label(self, leaf: str, edit: Edit) -> Callable[[], None]:
        return lambda: self._change(self._path(leaf, next(self._people)), edit)

    def _product_label(self, leaf: str, edit: Edit) -> Callable[[], None]:
        return lambda: self._change(self._path(leaf, f"{next(self._items)}_F"), edit)

    def _dot(self) -> None:
        stem = next(self._people)
        dotted = stem.replace("_", ".1_", 1)
        path = self._path("Model-Image", stem)
        path.rename(path.with_name(f"{dotted}.jpg"))
        for leaf in ("Model-Pose", "Model-Parse"):
            self._remove(leaf, stem)
        next(row for row in self._rows if row["wearing"] == f"{stem}.jpg")["wearing"] = f"{dotted}.jpg"

    def _copy_back(self) -> None:
        item = next(self._items)
        self._write(self._path("Item-Pose", f"{item}_F"), self._path("Item-Pose", f"{item}_B").read_bytes())

    def _encode(self, encoding: str) -> None:
        path = self._path("Model-Parse", next(self._people))
        document = json.loads(path.read_text()) | {"memo": "가상 피팅"}
        self._write(path, json.dumps(document, ensure_ascii=False).encode(encoding))

    def _turn(self) -> None:
        path = self._path("Model-Image", next(self._people))
        pixels = np.asarray(cv2.imread(str(path)), np.uint8)
        done, data = cv2.imencode(".jpg", cv2.rotate(pixels, cv2.ROTATE_90_COUNTERCLOCKWISE))
        assert done
        self._write(path, data.tobytes())

    def _truncate(self) -> None:
        path = self._path("Model-Image", next(self._people))
        self._write(path, path.read_bytes()[:20_000])

    def _exchange_layers(self) -> None:
        row = next(self._layered)
        row["main_top"], row["inner_top"] = row["inner_top"], row["main_top"]


def _regions(document: Any) -> int:
    return sum(name.startswith("region") for name in document)


def _first_region(document: Any, edit: Edit) -> Any:
    return document | {"region1": edit(document["region1"])}


def _sliver() -> Any:
    return {"category_name": "hat", "segmentation": [[[1, 1], [3, 1], [3, 3]]]}


def _with_two_points(region: Any) -> Any:
    return region | {"segmentation": [*region["segmentation"], [[1, 1], [2, 2]]]}


def _flat(region: Any) -> Any:
    return region | {"segmentation": [sum(polygon, []) for polygon in region["segmentation"]]}  # noqa: RUF017 -- short


def _swap(document: Any) -> Any:
    points = np.reshape(document["landmarks"], (17, 3))
    points[5:17] = points[[6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]]
    return document | {"landmarks": points.ravel().tolist()}


def _nest(document: Any) -> Any:
    return document | {"landmarks": np.reshape(document["landmarks"], (17, 3)).tolist()}


def _normalise(document: Any) -> Any:
    points = np.reshape(document["landmarks"], (17, 3)) / (720, 1280, 1)
    return document | {"landmarks": points.ravel().tolist()}


def tell(sown: dict[str, int], report: Any, built: str, checked: Any, seconds: dict[str, float]) -> int:
    """Print the table; return 1 if something was not found."""
    pictures_only = {"turned-image", "bad-image", "ambiguous-layers"}
    # Consequences of injected faults: an image without labels, a pair without its image.
    follows = {
        "missing-person-pose": sown["dotted-name"], "missing-person-parse": sown["dotted-name"],
        "label-without-picture": 2 * sown["missing-person-image"] + 2 * sown["missing-product-image"],
        "missing-person-image": sown["bad-item-id"], "picture-without-pair": 3 * sown["dotted-name"],
    }  # fmt: skip
    failed = False
    print("| fault | injected | follows from others | inspect | build-shards |\n|---|---|---|---|---|")
    found = {code: fault["count"] for code, fault in report["faults"].items()}
    for code in [*sown, *(code for code in found if found[code] and code not in sown)]:
        expected = sown.get(code, 0) + follows.get(code, 0)
        seen = found.get(code, 0)
        counts = dict(_counts(built))
        wrong = seen != (0 if code in pictures_only else expected) or (code in pictures_only and code not in counts)
        failed = failed or wrong
        cells = (code, sown.get(code, 0), follows.get(code, 0), seen, counts.get(code, ""))
        print("| " + " | ".join(map(str, cells)) + (" | WRONG" if wrong else " |"))
    print("\n```\n" + built.strip() + "\n```\n")
    times = ", ".join(f"{name} {spent:.0f} s" for name, spent in seconds.items())
    print(f"verify: {checked['samples']} samples, {len(checked['problems'])} problems; {times}")
    for problem in checked["problems"][:5]:
        print(problem)
    return 1 if failed or checked["problems"] else 0


def _counts(summary: str) -> Iterator[tuple[str, str]]:
    """Yield (code, "rejected 10") of a build's summary."""
    for line in summary.splitlines():
        title, _, rest = line.partition(": ")
        if title in ("rejected", "repaired", "skipped", "excluded"):
            for part in rest.split(", "):
                count, code = part.split(" ", 1)
                yield code, f"{title} {count}"


if __name__ == "__main__":
    sys.exit(main())
