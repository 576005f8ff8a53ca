"""How counts, types and errors read in a sentence."""

from __future__ import annotations

from gdprops.errors import text_of


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return ``"1 clause"`` or ``"2 clauses"``; ``nouns`` is the plural where it is not the noun with an s."""
    return f"{count} {noun if count == 1 else nouns or f'{noun}s'}"


def ordinal(k: int) -> str:
    """Return ``"2nd"`` or ``"4th"``."""
    ending = "th" if k // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(k % 10, "th")
    return f"{k}{ending}"


def type_of(value: object) -> str:
    """Return a value's type with its article: ``"an int"``, ``"a NoneType"``."""
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def class_or_type(found: object) -> str:
    """Return what was found under a name: ``"the class Net"``, ``"a function"``."""
    return f"the class {found.__name__}" if isinstance(found, type) else type_of(found)


def on_one_line(told: object) -> str:
    """Return the text of an error or another value on one line."""
    return " ".join(text_of(told).split())
