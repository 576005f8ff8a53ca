"""The lines of the user's file that a violation is in: found by following one step on the shrunk case.

While the step runs, every executed line is noted, and which parameters it has changed. Together with what the step is
known to do instead, that leads to a line: a weight that is written and read again afterwards, the line that computes
the one wrong gradient, the line in which the error goes back through a layer.
Example: "W2 is written in line 15 and read again in line 17".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gdprops.errors import GdpropsError
from gdprops.explanations.backprop.compared_values import ComparedValues
from gdprops.explanations.backprop.executed_lines import Line, followed, word_of
from gdprops.model.note import Note
from gdprops.subjects.user_code.definitions import definitions_of
from gdprops.subjects.user_code.place import shown_path
from gdprops.subjects.user_code.source import NOTEBOOK

if TYPE_CHECKING:
    from gdprops.model.case import BackpropCase
    from gdprops.subjects.backprop.subject import Backprop

LATE = "already updated weights"
UNPROVED = "what is passed back, or the derivative"
"""What is looked for where nothing is proved: the error that is passed back."""
SWEEPS = ("tensor by tensor", "layer by layer")
KEPT = "the gradient is added to those of the earlier steps"
UNMOVED = "not moved"
OF_SLOPES = re.compile(r"derivative|slope|activation|transpose|goes back|constant|error at the output")
"""Explanations of a fault in the error that is passed back, not in the gradient that is made of it."""
IS_ERROR = re.compile(r"(\w*\.)?_*(d|D)[A-Z_a-z]?\w*|\w*(delta|err|grad|hidden_d|back)\w*", re.IGNORECASE)


def places_of(subject: Backprop, case: BackpropCase, told: str) -> tuple[Note, ...]:
    """Return the lines of a violation on a case, the most telling first; nothing where none is sure."""
    return tuple(map(_in_cells, _places(subject, case, told)))


def _places(subject: Backprop, case: BackpropCase, told: str) -> tuple[Note, ...]:
    try:
        lines = followed(subject, case)
    except (GdpropsError, RecursionError):
        return ()
    names = list(case.names)
    if not lines:
        return ()
    if told.startswith(SWEEPS):
        return tuple(_read_again(lines, names))
    if told.startswith(KEPT):
        return tuple(_kept(lines))
    if LATE in told:
        return tuple(_read_again(lines, [n for n in names if re.search(rf"{re.escape(n)}(?!\w)", told)]))
    found, values = list[Note](), ComparedValues(subject)
    for wrong, said in _told_of(told, names):
        exact = values.places(wrong, said)
        if exact:
            found += [one for one in exact if (one.file, one.line) not in [(p.file, p.line) for p in found]]
            continue
        place = _place(lines, wrong, said) if wrong else None
        if place is not None and (place.file, place.line) not in [(p.file, p.line) for p in found]:
            found.append(place)
            if said == UNPROVED:
                found += _before(lines, place)
    return tuple(found[:3]) or tuple(values.places(())[:3])


def _before(lines: Sequence[Line], place: Note) -> list[Note]:
    """Return the line in which the error of a place goes back through a matrix, where it is another one."""
    at = [k for k, one in enumerate(lines) if one.number == place.line]
    hop = _hop(lines[: at[-1]], lines[at[-1]]) if at else None
    if hop is None or not _goes_through(hop):
        return []
    return [Note("the error goes back through a matrix here", shown_path(hop.file), hop.number)]


def _in_cells(place: Note) -> Note:
    """Return a place in a notebook with the cell that it is in, and its line there."""
    if place.file is None or place.line is None or not place.file.endswith(NOTEBOOK):
        return place
    cell = definitions_of(Path(place.file)).source.cell_of(place.line)
    return place if cell is None else replace(place, text=f"{place.text} (cell {cell[0]}, line {cell[1]})")


def _told_of(told: str, names: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    """Yield the names of wrong parameters with what is said of them."""
    unproved = re.match(r"none of .*? step [\d, ]+: ([^;]+)", told)
    if unproved is not None:
        yield [n for n in unproved.group(1).split(", ") if n in names], UNPROVED
        return
    rest = told
    while rest:
        before, colon, after = rest.partition(": ")
        here = [n for n in before.split(", ") if n in names]
        if not colon or not here:
            return
        ends = [m.start() for m in re.finditer("; ", after) if any(after[m.end() :].startswith(n) for n in names)]
        said, rest = (after[: ends[0]], after[ends[0] + 2 :]) if ends else (after, "")
        yield here, said


def _read_again(lines: Sequence[Line], names: Sequence[str]) -> Iterator[Note]:
    for name in names:
        wrote = _written(lines, name)
        if wrote is None:
            continue
        first, later = lines[wrote], [one for one in lines[wrote + 1 :] if one.number != lines[wrote].number]
        again = next(
            (one for said in (first.assigned, word_of(name)) for one in later if said and one.uses(said)), None
        )
        if again is not None:
            told = f"{name} is written in line {first.number} and read again in line {again.number}"
            yield Note(told, shown_path(first.file), first.number)
            yield Note(f"here {name} has moved", shown_path(again.file), again.number)


def _kept(lines: Sequence[Line]) -> Iterator[Note]:
    """Yield the first line that adds a gradient to what is there, and moves no parameter."""
    for line in lines:
        if line.operator == "+" and not line.wrote and not _is_bare(line):
            told = f"the gradient is added to what {line.target} holds already"
            yield Note(told, shown_path(line.file), line.number)
            return


def _place(lines: Sequence[Line], wrong: Sequence[str], said: str) -> Note | None:
    name, word = wrong[0], word_of(wrong[0])
    if name.endswith(".x"):  # the input of a layer
        return _handed_back(lines, name)
    told = ", ".join(wrong)
    if said.startswith(UNMOVED):
        gradient = next((one for one in lines if re.search(rf"d_?{re.escape(word)}\b", one.target)), None)
        if gradient is None:
            return None
        return Note(
            f"the gradient of {told} is computed here, and moves nothing", shown_path(gradient.file), gradient.number
        )
    if OF_SLOPES.search(said):
        found = _error_line(lines, name)
        if found is not None:
            return Note(f"the error that {told} is moved by is computed here", shown_path(found.file), found.number)
    found = _gradient_line(lines, name)
    return (
        None
        if found is None
        else Note(f"{told} is moved by what is computed here", shown_path(found.file), found.number)
    )


def _handed_back(lines: Sequence[Line], name: str) -> Note | None:
    """Return the line in which a layer hands its error on: the last one of its backward method."""
    layer = name.removesuffix(".x")
    own = [one for one in lines if one.function.startswith(f"{layer}.back")]
    if not own:
        return None
    return Note(f"{layer} hands on what is computed here", shown_path(own[-1].file), own[-1].number)


def _written(lines: Sequence[Line], name: str) -> int | None:
    return next((k for k, line in enumerate(lines) if name in line.wrote), None)


def _gradient_line(lines: Sequence[Line], name: str) -> Line | None:
    """Return the line that computes what a parameter is moved by: one named for it, else where it is written."""
    word, wrote = word_of(name), _written(lines, name)
    before = lines if wrote is None else lines[:wrote]
    own = re.compile(rf"(?<!\w)(d_?|grad_?|nabla_?|delta_?|grad\w*\[.d?){re.escape(word)}\b")
    named = [one for one in before if own.search(one.assigned)]
    if named:
        return next((one for one in reversed(named) if not _is_bare(one)), named[-1])
    if wrote is None:
        return None
    last = lines[wrote]
    hop = _hop(lines[:wrote], last)
    return hop if hop is not None and _is_bare(last) else last


def _is_bare(line: Line) -> bool:
    """Say whether a line moves a parameter along a gradient that another line has computed."""
    return not re.search(r"@|dot\(|outer\(|matmul|sum\(|mean\(", line.value)


def _hop(lines: Sequence[Line], line: Line) -> Line | None:
    """Return the last line before another one that assigns something which that one uses, if it looks like an error."""
    for one in reversed(lines):
        target = one.target.rpartition(".")[2] or one.target
        if target and IS_ERROR.fullmatch(target) and line.uses(target) and one.number != line.number:
            return one
    return None


def _error_line(lines: Sequence[Line], name: str) -> Line | None:
    """Return the line that computes the error of a parameter's own layer: the last one that its gradient is made of."""
    gradient = _gradient_line(lines, name)
    if gradient is None:
        return None
    position = max(k for k, one in enumerate(lines) if one == gradient)
    found = _hop(lines[:position], gradient)
    if found is not None and not found.target.rpartition(".")[2].lower().startswith("nabla"):
        return _inside(lines, found)
    through = {(one.file, one.number): one for one in lines if _goes_back(one)}
    return next(iter(through.values())) if len(through) == 1 else gradient


def _inside(lines: Sequence[Line], line: Line) -> Line:
    """Return the last line that computes an error in a function that a line does nothing but call; else the line."""
    call = re.fullmatch(r"\s*(?:[\w.\[\]]+\.)?(\w+)\(.*\)\s*", line.value)
    errors = [
        one
        for one in lines[: lines.index(line)]
        if call is not None
        and one.function.rpartition(".")[2] == call.group(1)
        and IS_ERROR.fullmatch(one.target.rpartition(".")[2])
    ]
    return errors[-1] if errors else line


def _goes_back(line: Line) -> bool:
    """Say whether a line hands an error back through a transposed matrix into the variable that it was in."""
    target = line.target.rpartition(".")[2] or line.target
    return bool(_goes_through(line) and target and IS_ERROR.fullmatch(target) and line.uses(target))


def _goes_through(line: Line) -> bool:
    """Say whether a line multiplies by a transposed matrix."""
    return bool(re.search(r"\.T\b|transpose", line.value) and re.search(r"@|dot\(|matmul", line.value))
