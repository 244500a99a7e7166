"""Formatting of text in messages and on pages: one line, limited length, grouped digits, one or several."""

from __future__ import annotations


def one_line(text: object) -> str:
    """Return a text, or an exception's message, with every run of whitespace replaced by one space."""
    return " ".join(str(text).split())


def clip(text: str, most: int = 200) -> str:
    """Return a text, truncated with an ellipsis if it has more than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def grouped(value: float) -> str:
    """Format a number without decimals, with a narrow no-break space between thousands."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def counted(number: int, noun: str, several: str | None = None) -> str:
    """Return a number with what it counts: "1 pair", "2 pairs", "0 pairs"; ``several`` is an irregular plural."""
    return f"{number} {noun if number == 1 else several or f'{noun}s'}"
