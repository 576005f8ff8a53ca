"""How a clause of the chapter `live` is declared: a pure function from the story of a run to what it finds wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn, final

from gdprops.clauses.support.provenance import Story, story
from gdprops.model.clause import Clause, Level, View, clause
from gdprops.model.code_place import Place
from gdprops.model.evidence import Evidence
from gdprops.model.ledger import Ledger
from gdprops.model.live_finding import LiveFinding

MOST_NAMES = 4
"""So many parameters are named in a sentence; of more, their number."""
NAMES = "{names}"
"""Where a sentence names the parameters of its finding."""


@final
@dataclass(frozen=True, slots=True)
class Told:
    """What a clause finds: its sentence, the parameters, the step, the lines. A ``note`` is never an error.

    ``{names}`` in the sentence becomes the names of the parameters. Findings that differ in their parameters and steps
    alone are one: their parameters come together, and the first step is told.
    """

    sentence: str
    parameters: tuple[int, ...] = ()
    step: int | None = None
    places: tuple[Place | None, ...] = ()
    note: bool = False


Find = Callable[[Story], Iterator[Told]]


def live_clause(
    *,
    id: str,  # noqa: A002 - the field's own name reads best at the place of definition
    statement: str,
    source: str,
    decision: str,
    refuted_by: tuple[str, ...],
    level: Level = Level.REQUIRED,
    undecided: Callable[[Story], str] = lambda told: "",
) -> Callable[[Find], Clause]:
    """Return a decorator that turns a function ``story -> findings`` into a clause of the chapter `live`.

    ``undecided`` returns why a run cannot show a violation ("nothing is clipped"), or an empty text.
    """

    def bind(find: Find) -> Clause:
        def examine(ledger: Ledger, case: Any = None) -> Evidence:
            read = story(ledger)
            if not read.stepped:
                return _evidence((), "no optimizer stepped")
            found = tuple(_finding(read, id, level, told) for told in _once(find(read)))
            return _evidence(found, undecided(read))

        return clause(
            id=id,
            statement=statement,
            source=source,
            decision=decision,
            level=level,
            view=View.LIVE,
            refuted_by=refuted_by,
            cases=_draws_nothing,
            since=3,
        )(examine)

    return bind


def _draws_nothing(domain: object) -> NoReturn:
    raise NotImplementedError("clauses on watched runs examine a ledger; nothing is drawn for them")


def _once(found: Iterable[Told]) -> Iterable[Told]:
    """Return findings with one sentence on the same lines as one."""
    kept: dict[object, Told] = {}
    for told in found:
        key = (told.sentence, told.note)
        first = kept.setdefault(key, told)
        kept[key] = replace(first, parameters=tuple(dict.fromkeys((*first.parameters, *told.parameters))))
    return kept.values()


def _finding(read: Story, clause_id: str, level: Level, told: Told) -> LiveFinding:
    names = tuple(dict.fromkeys(read.ledger.name(number) for number in told.parameters))
    places = tuple(dict.fromkeys(place for place in told.places if place is not None))
    real = Level.RECOMMENDED if told.note else level
    sentence = told.sentence.replace(NAMES, named(read, told.parameters))
    return LiveFinding(clause_id, real, sentence, names, told.step, places)


def _evidence(found: tuple[LiveFinding, ...], undecided: str) -> Evidence:
    if not found:
        return Evidence(decisive=not undecided, reason=undecided)
    ordered = tuple(sorted(found, key=lambda one: one.step or 0))
    blame = tuple(dict.fromkeys(name for one in ordered for name in one.parameters))
    return Evidence(violated=True, reason=ordered[0].sentence, blame=blame, findings=ordered)


def named(read: Story, parameters: Iterable[int]) -> str:
    """Return the names of some parameters: "a.weight, a.bias and 3 more"."""
    names = list(dict.fromkeys(read.ledger.name(number) for number in sorted(parameters)))
    if len(names) > MOST_NAMES + 1:
        return f"{', '.join(names[:MOST_NAMES])} and {len(names) - MOST_NAMES} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1] if names else "")))


def lines(places: Iterable[Place | None]) -> str:
    """Return some lines: "train.py:36 and :39"; "an unseen line" where none is known."""
    known = sorted({place for place in places if place is not None})
    if not known:
        return "an unseen line"
    parts = []
    for file, group in groupby(known, key=lambda place: place.file):
        numbers = [place.line for place in group]
        parts += [f"{Path(file).name}:{numbers[0]}", *(f":{number}" for number in numbers[1:])]
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
