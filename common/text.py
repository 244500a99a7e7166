"""Text for people, in messages and on pages: on one line, of bounded length, numbers grouped."""

from __future__ import annotations


def one_line(text: object) -> str:
    """Return a text, or an exception's message, with every run of white space as one space."""
    return " ".join(str(text).split())


def clip(text: str, most: int = 200) -> str:
    """Return a text, cut off with an ellipsis where it has more than ``most`` letters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def grouped(value: float) -> str:
    """Write a whole number with a thin space between thousands."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
