"""Counts of what was found in a data set, by code, with a few paths each as examples."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

_EXAMPLES = 3


@dataclass
class Tally:
    """How often each code was met, and the first paths it was met at."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, code: str, path: str) -> None:
        """Count ``code`` once, at ``path``."""
        self.counts[code] += 1
        seen = self.examples.setdefault(code, [])
        if len(seen) < _EXAMPLES:
            seen.append(shown(path))

    def add(self, other: Tally) -> None:
        """Count all that ``other`` counted."""
        self.counts.update(other.counts)
        for code, paths in other.examples.items():
            seen = self.examples.setdefault(code, [])
            seen += paths[: _EXAMPLES - len(seen)]


def shown(path: str) -> str:
    """Return a path as it can be printed on one line: what is no printable Unicode becomes '?'."""
    return path if path.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in path)
