"""How many sound records are accused: drawn people in every layout, read and conditioned as `prep build-shards` does.

    python benchmarks/false_accusations.py [--people 5000] [--minutes 15] [--first 1] [--variety varied]

Nothing is wrong with these records: images, poses, label maps and masks are the drawing's own. Every fault counted
here, and every reject, is a false accusation. A layout's people are seen from the front, half turned, from the side and
from behind. Stops at --people records or after --minutes, whichever comes first; prints a Markdown table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests/helpers"))
from drawn_sets import OUTFITS, look, product, write_dress_code, write_viton_hd

from preprocess.conditioning import garment_side, person_side
from preprocess.faults import Fault, RecordError
from preprocess.libraries import use_portable_code
from preprocess.loading.layer_check import check_layers
from preprocess.loading.subjects import load_person, load_product
from preprocess.planning.datasets import open_dataset
from preprocess.sources import Files, Record
from preprocess.synthetic.dataset_writer import write_dataset
from preprocess.synthetic.outfits import VARIETIES, Variety
from preprocess.synthetic.people.pose import FRAMES
from schemas import Source

_FRAMES = tuple(FRAMES)
_SOURCES: tuple[Source, ...] = ("viton-hd", "dress-code", "aihub")
_SELDOM = 4
"""AI-Hub's layout is drawn with every fourth seed: a set of it has a dozen records."""
_LOOKS = 2
"""Looks of one drawn set in AI-Hub's layout; each is photographed in every frame."""
_EXAMPLES = 4


@dataclass
class Counts:
    """Records and accusations of one layout."""

    records: int = 0
    accused: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    examples: dict[Fault, list[str]] = field(default_factory=dict)

    def add(self, name: str, faults: tuple[Fault, ...]) -> None:
        """Count one record and its faults."""
        self.records += 1
        self.accused += bool(faults)
        for fault in faults:
            self.faults[fault] += 1
            examples = self.examples.setdefault(fault, [])
            if len(examples) < _EXAMPLES:
                examples.append(name)


def main() -> None:
    """Count, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--variety", choices=VARIETIES, default="easy", help="the set's, as of prep sample-data")
    options = parser.parse_args()
    use_portable_code()
    end, layouts = time.monotonic() + 60 * options.minutes, dict[str, Counts]()
    for layout, name, faults in accusations(options.first, options.variety):
        layouts.setdefault(layout, Counts()).add(name, faults)
        if sum(counts.records for counts in layouts.values()) >= options.people or time.monotonic() > end:
            break
    tell(layouts)


def accusations(seed: int, variety: Variety = "easy") -> Iterator[tuple[str, str, tuple[Fault, ...]]]:
    """Yield layout, name and faults of one drawn record after the other, without end."""
    while True:
        for source in _SOURCES if seed % _SELDOM == 0 else _SOURCES[:-1]:
            with tempfile.TemporaryDirectory() as folder:
                yield from _of_set(source, Path(folder), seed, variety)
        seed += 1
        look.cache_clear()
        product.cache_clear()


def _of_set(source: Source, root: Path, seed: int, variety: Variety) -> Iterator[tuple[str, str, tuple[Fault, ...]]]:
    frame = _FRAMES[seed // 2 % len(_FRAMES)]
    if source == "aihub":
        write_dataset(root, looks=_LOOKS, seed=seed, variety=variety, workers=1)
    elif source == "viton-hd":
        write_viton_hd(root, "train", "00001_00", seed, frame, variety)
        (root / "train_pairs.txt").write_text("00001_00.jpg 00001_00.jpg")
    else:
        for category in OUTFITS:
            write_dress_code(root, category, "000001", seed, frame, variety)
            (root / category / "train_pairs.txt").write_text("000001_0.jpg\t000001_1.jpg")
    files = Files(root)
    for record in open_dataset(files, source).records("all", "item", "all"):
        view = record.frame if source == "aihub" else frame
        yield source, f"seed {seed}, {record.garment}, frame {view}", faults_of(files, record)


def faults_of(files: Files, record: Record) -> tuple[Fault, ...]:
    """Return the faults that the build finds in a record; a reject's reason is one of them."""
    try:
        person, garment = load_person(files, record), load_product(files, record)
        side = person_side(person, record.garment)
        check_layers(files, person, side, garment, record)
        garment_side(garment, record.garment, record.pairing, linings=False)
    except RecordError as error:
        return (error.reason,)
    return tuple(dict.fromkeys((*person.faults, *side.faults, *garment.faults)))


def tell(layouts: dict[str, Counts]) -> None:
    """Print the table, and a few examples of each fault."""
    total = Counts()
    for counts in layouts.values():
        total.records += counts.records
        total.accused += counts.accused
        total.faults.update(counts.faults)
    columns = {**layouts, "all": total}
    print(f"| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    print(f"| records | {' | '.join(f'{counts.records:,}' for counts in columns.values())} |")
    for fault, _ in total.faults.most_common():
        print(
            f"| {fault} ({fault.fate}) | {' | '.join(_share(c.faults[fault], c.records) for c in columns.values())} |"
        )
    print(f"| any | {' | '.join(_share(c.accused, c.records) for c in columns.values())} |\n")
    for layout, counts in layouts.items():
        for fault, names in counts.examples.items():
            print(f"{layout}, {fault}: {'; '.join(names)}")


def _share(count: int, records: int) -> str:
    return f"{count} ({count / max(1, records):.2%})" if count else "0"


if __name__ == "__main__":
    main()
