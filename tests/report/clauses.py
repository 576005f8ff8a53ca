"""Clauses with every field filled, for the tests of what prints them."""

from __future__ import annotations

from typing import Any

from gdprops.model.clause import Clause, Level, View
from gdprops.model.evidence import Evidence


def no_cases(domain: Any) -> Any:
    raise NotImplementedError


def agree(target: Any, case: Any) -> Evidence:
    return Evidence()


def some_clauses() -> list[Clause]:
    common: dict[str, Any] = {"cases": no_cases, "examine": agree}
    return [
        Clause(
            id="gradient.pure",
            statement="Looking moves nothing | not even [b]buffers[/b].",
            source="A real bug.",
            decision="Bytes are compared.",
            level=Level.REQUIRED,
            view=View.SYSTEM,
            refuted_by=("writes-through-data", "moves-buffers"),
            claim=True,
            **common,
        ),
        Clause(
            id="step.cost",
            statement="A step costs one look.",
            source="Arithmetic.",
            decision="Looks are counted.",
            level=Level.RECOMMENDED,
            view=View.OPTIMIZER,
            refuted_by=(),
            **common,
        ),
    ]
