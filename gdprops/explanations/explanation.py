"""What a violation is explained by: one sentence, and what it rests on."""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """What is told, the clause that it is a violation of, and how many constants are fitted in it.

    Where no cause is proved, the clause is empty and the constants are None.
    """

    text: str
    clause: str = ""
    constants: int | None = None
