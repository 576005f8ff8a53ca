"""The explanation of a violation: one sentence, the clause that it belongs to and its number of fitted constants."""

from __future__ import annotations

from typing import NamedTuple


class Explanation(NamedTuple):
    """One sentence that says what a wrong subject does instead.

    Attributes:
        text: The sentence.
        clause: The id of the clause that the described behavior violates; empty where no cause is proved.
        constants: How many constants of the sentence were fitted to the data; None where no cause is proved.
    """

    text: str
    clause: str = ""
    constants: int | None = None
