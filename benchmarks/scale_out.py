"""The arithmetic of docs/measurements/scaling.md: prep by machines, the three stages by cards. Measures nothing.

    python benchmarks/scale_out.py

Every constant below is a measurement or a data sheet's figure that the page names; put your own in.
"""

from __future__ import annotations

CORES = 8
TUPLE_S = 0.018
"""Processor seconds of a tuple, with the start of the processes"""
COMPARE_S = 0.0009
"""Processor seconds to compare an image, where a dataset has both of its parts"""
READ_MB, WRITTEN_MB = 0.334, 0.22
"""MB of a tuple, read and written"""
SETS = {
    "110,000 looks of AI-Hub": (110_000, 42.0, 145_000),
    "4 million pairs of a table": (4_000_000, 4_000_000 * 0.00027, 0),
}
"""Name → tuples, seconds of one process to list and plan (benchmarks/planning.py for tables), images to compare."""
MACHINES = (1, 10, 100)

PEAK, UTILISATION = 989.0, 0.35
"""TFLOP/s of an H100 in bf16, and the share that a step is assumed to reach"""
NVLINK, NETWORK = 450.0, 50.0
"""GB/s that a card sends: within a machine, and by a 400 Gbit/s adapter of its own to other machines"""
CARDS_OF_MACHINE, CORES_OF_CARD = 8, 16
BATCH, STEPS, DAY = 256, 500_000, 86_400
STAGES = {
    "small base": (0.124, 42.0, 1529), "small sr256": (0.125, 39.3, 1765), "small sr1024": (0.216, 55.6, 1879),
    "paper base": (3.451, 1136.3, None), "paper sr256": (3.859, 1062.3, None), "paper sr1024": (1.531, 427.3, None),
}  # fmt: skip
"""Name → TFLOP an image and step, million parameters, images/s of the first epoch that 16 cores feed."""
CARDS = (1, 8, 64)


def main() -> None:
    """Print both tables."""
    print(
        "| dataset | machines | planning, s | building, s | in all, s | machine seconds | each plans | GB/s in, out |"
    )
    print("|---" * 8 + "|")
    for name, (tuples, serial, images) in SETS.items():
        planning = serial + images * COMPARE_S / CORES
        for machines in MACHINES:
            building = tuples * TUPLE_S / CORES / machines
            rate = tuples / building / 1000
            print(
                f"| {name} | {machines} | {planning:,.0f} | {building:,.0f} | {planning + building:,.0f} | "
                f"{planning + machines * building:,.0f} | {machines * (planning + building):,.0f} | "
                f"{rate * READ_MB:.2f}, {rate * WRITTEN_MB:.2f} |"
            )
    print()
    print(
        "| stage | cards | computing, s a step | exchange, s | days | times as fast | images/s a card | 16 cores feed |"
    )
    print("|---" * 8 + "|")
    for name, (flop, parameters, fed) in STAGES.items():
        alone = 0.0
        for cards in CARDS:
            computing = BATCH * flop / (PEAK * UTILISATION) / cards
            link = NVLINK if cards <= CARDS_OF_MACHINE else NETWORK
            exchange = 2 * (cards - 1) / cards * 4 * parameters / 1000 / link
            step = max(computing, exchange) if cards > 1 else computing
            alone = alone or step
            days = step * STEPS / DAY
            print(
                f"| {name} | {cards} | {computing:.4f} | {exchange:.4f} | {days:.2f} | {alone / step:.1f} | "
                f"{BATCH / step / cards:,.0f} | {f'{fed:,}' if fed else 'not measured'} |"
            )


if __name__ == "__main__":
    main()
