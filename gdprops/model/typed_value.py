"""The value of a text that was typed on a command line."""

from __future__ import annotations

import ast

WORDS = {"true": True, "false": False, "none": None}


def value_of(text: str) -> object:
    """Return the value of a typed text.

    It may be a Python literal, ``true``, ``false``, ``none`` or a number such as ``nan``; other texts stay texts.
    """
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    for read in (ast.literal_eval, float):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text
