"""Mutants that no test can kill, by `Mutant.key`, each with the reason why it computes the same.

What is listed here is no survivor; a mutant that only nobody has tested for does not belong here.
"""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {}
