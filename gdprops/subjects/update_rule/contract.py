"""The contract of an update rule, tried once before anything else: ``rule(params, grads, state) -> (params, state)``.

A function that keeps another contract is not wrong, it is written for another caller. Judged by the clauses it would
crash in all of them, and say in none what it has to change. So the function is called once with dictionaries of arrays.
Where it raises or returns something else, it is tried in the forms in which such functions are often written (lists,
one array, without a state, …), and refused by the name of the form that works. Example: ``return params`` alone is
refused with "returned a dict instead of the pair (params, state)".

A function that raises in every form is not refused: it may be a wrong rule, and the clauses judge it.
"""

from __future__ import annotations

import copy
import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gdprops.errors import SubjectCrash, UsageError
from gdprops.model.note import Note
from gdprops.model.wording import on_one_line, plural, type_of
from gdprops.subjects.user_code.crashes import raised_for_a_while
from gdprops.subjects.user_code.isolation import seed_random_numbers
from gdprops.subjects.user_code.signatures import can_take, parameters_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.update_rule.subject import UpdateRule

EXAMPLE = (
    "def sgd(params, grads, state, lr=0.1): "
    "return {k: w - lr * grads[k] if k in grads else w for k, w in params.items()}, state"
)
"""A right update rule on one line."""
_WEIGHTS = {"w0": ((1.0, -2.0, 0.5), (3.0, -0.25, 1.5)), "w1": ((2.0, 1.0), (-1.0, 0.5), (0.75, -3.0))}
_GRADIENTS = {"w0": ((0.5, 1.0, -2.0), (1.5, -1.0, 0.25)), "w1": ((1.0, -0.5), (2.0, 1.5), (-0.25, 3.0))}
_NUMBERS = "biufc"
_DTYPES = ("float64", "float32")
Arrays = dict[str, "Array"]


class _Form(NamedTuple):
    """Another way to call a function: what is said of one that works this way, its weights, and all its arguments."""

    said: str
    weights: Any
    arguments: tuple[Any, ...]


def require_contract(subject: UpdateRule) -> tuple[Note, ...]:
    """Call an update rule once, and return a note where it raises and does no more when it is called again.

    A rule that raises however it is called is let through, and so is one that raises on a missing gradient whether it
    is left out or None: both are for the clauses to judge.

    Raises `UsageError`, with a right rule as an example, where it keeps another contract.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = _declaration(subject) or _first_call(subject)
    if isinstance(said, Note):
        return (said,)
    if said:
        raise UsageError(f"{subject.name} {said}; expected (params, grads, state) -> (params, state), as in {EXAMPLE}")
    return ()


def _declaration(subject: UpdateRule) -> str:
    """Return in what a rule departs from the contract before it is called, empty where it does not."""
    function = subject.function
    if inspect.isclass(function):
        return "is a class, not a function"
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        return "is a coroutine or generator function, and returns before it has moved anything"
    order = [*(parameters_of(function) or {})][:3]
    if order and order[0].startswith("grad") and any(name.startswith("param") for name in order[1:]):
        return f"takes {', '.join(order)} in this order"
    return ""


def _first_call(subject: UpdateRule) -> str | Note:
    """Return in what a rule departs from the contract when it is called, empty where that cannot be said."""
    crashes = []
    for dtype in _DTYPES:
        params, grads = _arrays(_WEIGHTS, dtype), _arrays(_GRADIENTS, dtype)
        try:
            returned = _called(subject, params, grads, None)
        except SubjectCrash as crash:
            crashes.append(crash)
            continue
        return (
            _of_returned(returned, params, _arrays(_WEIGHTS, dtype))
            or _of_displacements(subject, returned, dtype)
            or _of_a_missing_gradient(subject, dtype)
        )
    said = _of_the_signature(subject) or _of_another_form(subject) or _of_own_names(subject, crashes[0].error)
    return raised_for_a_while(crashes[0]) if _works_by_now(subject) else said


def _arrays(numbers: Mapping[str, Any], dtype: str) -> Arrays:
    return {name: np.array(rows, dtype=dtype) for name, rows in numbers.items()}


def _called(subject: UpdateRule, *arguments: Any) -> Any:
    """Call the rule with its hyperparameters. Raises `SubjectCrash` for whatever it raises."""
    seed_random_numbers(0)
    with subject.calls.to("the update rule"):
        returned = subject.function(*arguments, **subject.hyperparameters)
        return tuple(returned) if isinstance(returned, Iterator) else returned


def _of_returned(returned: Any, params: Arrays, before: Arrays) -> str:
    """Return what is wrong with the form of what a rule returned for ``params``, which were ``before``."""
    if returned is None:
        in_place = any((params[name] != w).any() for name, w in before.items())
        return f"returned nothing{' and changed params in place' if in_place else ''}"
    if isinstance(returned, Mapping | np.ndarray | str):
        return f"returned {type_of(returned)} instead of the pair (params, state)"
    try:
        moved, state = returned
    except Exception:
        many = f" of {plural(len(returned), 'value')}" if isinstance(returned, Sequence) else ""
        return f"returned {type_of(returned)}{many} instead of the pair (params, state)"
    said = _of_moved(moved, before)
    return "returned the state before params" if said and not _of_moved(state, before) else said


def _of_moved(moved: Any, before: Arrays) -> str:
    """Return what is wrong with the names, shapes or types of new params.

    What a rule of the user's returns may raise anything when it is looked at.
    """
    for name, w in before.items():
        try:
            found = moved[name]
        except Exception:
            if not isinstance(moved, Mapping):
                return f"returned {_kind_of(moved)} for params, which are a dict by name"
            others = f" but with {', '.join(map(repr, moved))}" if moved else ""
            return f"returned params without {name!r}{others}"
        seen = _array_of(found)
        if seen is None or seen.dtype.kind not in _NUMBERS:
            return f"returned {_kind_of(found)} for params[{name!r}], which is an array"
        if seen.shape != w.shape:
            return f"returned params[{name!r}] with shape {seen.shape}, given with shape {w.shape}"
    return ""


def _array_of(value: Any) -> Array | None:
    try:
        return np.asarray(value)
    except Exception:
        return None


def _kind_of(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return "None" if value is None else type_of(value)


def _of_displacements(subject: UpdateRule, returned: Any, dtype: str) -> str:
    """Say that a rule returns the same from other weights: displacements, as optax does, are no new weights."""
    elsewhere = {name: 3 * w + 1 for name, w in _arrays(_WEIGHTS, dtype).items()}
    first = {name: np.array(returned[0][name]) for name in elsewhere}
    try:
        second, _ = _called(subject, elsewhere, _arrays(_GRADIENTS, dtype), None)
        if any((first[name] != np.asarray(second[name])).any() for name in first):
            return ""
    except (SubjectCrash, LookupError, TypeError, ValueError):
        return ""
    return "returned params that do not depend on the given ones: displacements are not new params"


def _of_a_missing_gradient(subject: UpdateRule, dtype: str) -> str:
    """Say that a rule wants None for a missing gradient, where it raises if it is left out and works with None."""
    weights, (name, *rest) = _arrays(_WEIGHTS, dtype), _WEIGHTS
    grads = _arrays(_GRADIENTS, dtype)
    left_out = {other: grads[other] for other in rest}
    if _works(subject, (_arrays(_WEIGHTS, dtype), left_out, None), weights):
        return ""
    if not _works(subject, (_arrays(_WEIGHTS, dtype), {name: None, **left_out}, None), weights):
        return ""
    return f"asks for grads[{name!r}] where there is none: a missing gradient is left out of grads, and not None"


def _works(subject: UpdateRule, arguments: tuple[Any, ...], before: Arrays) -> bool:
    """Say whether a rule does not raise with these arguments, and returns params by name and a state."""
    try:
        return not _of_returned(_called(subject, *arguments), arguments[0], before)
    except SubjectCrash:
        return False


def _of_the_signature(subject: UpdateRule) -> str:
    """Say what a rule takes instead of three arguments, where its signature cannot be called with them."""
    given = subject.hyperparameters
    if parameters_of(subject.function) is None or can_take(subject.function, {}, {}, None, **given):
        return ""
    taken = inspect.signature(subject.function)
    wanted = [
        p.name
        for p in [*taken.parameters.values()][3:]
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in given
    ]
    if wanted and can_take(subject.function, {}, {}, None, **dict.fromkeys([*given, *wanted])):
        values = " ".join(f"-p {name}=…" for name in wanted)
        return f"needs values of its own ({values} on the command line, a keyword in Python)"
    return f"takes {on_one_line(taken)}"


def _of_another_form(subject: UpdateRule) -> str:
    """Return what is said of the first other form in which a rule moves the weights; empty where it does in none."""
    for form in _forms():
        before = copy.deepcopy(form.weights)
        try:
            returned = _called(subject, *form.arguments)
        except SubjectCrash:
            continue
        found = [form.weights, returned, *(returned[:1] if isinstance(returned, tuple | list) else ())]
        if any(_moved(each, before) for each in found):
            return form.said
    return ""


def _works_by_now(subject: UpdateRule) -> bool:
    """Say whether a rule that has raised keeps the contract when it is called again: it raises only for a while."""
    params, grads = _arrays(_WEIGHTS, "float64"), _arrays(_GRADIENTS, "float64")
    return _works(subject, (params, grads, None), _arrays(_WEIGHTS, "float64"))


def _forms() -> Iterator[_Form]:
    """Yield the forms in which update rules are often written, each with arrays of its own."""

    def form(said: str, of: Callable[[Arrays], Any], arguments: Callable[[Any, Any], tuple[Any, ...]]) -> _Form:
        weights, gradients = (of(_arrays(numbers, "float64")) for numbers in (_WEIGHTS, _GRADIENTS))
        return _Form(said, weights, arguments(weights, gradients))

    yield form("needs a dict as its first state, where that is None", dict, lambda w, g: (w, g, {}))
    yield form("takes no state as its third argument", dict, lambda w, g: (w, g))
    for said, of in (
        ("takes lists of arrays, not dicts by name", lambda arrays: [*arrays.values()]),
        ("takes one array, not a dict of all of them", lambda arrays: arrays["w0"]),
    ):
        yield form(said, of, lambda w, g: (w, g, None))
        yield form(said, of, lambda w, g: (w, g, {}))
        yield form(said, of, lambda w, g: (w, g))
    torch = sys.modules.get("torch")
    if torch is not None:

        def in_torch(arrays: Arrays) -> dict[str, Any]:
            return {name: torch.from_numpy(w) for name, w in arrays.items()}

        yield form("takes torch tensors, not NumPy arrays", in_torch, lambda w, g: (w, g, None))


def _moved(found: Any, was: Any) -> bool:
    """Say whether something has the form of some weights (a dict, a list or one array), with other numbers."""
    keys = was if isinstance(was, dict) else range(len(was)) if isinstance(was, list) else None
    try:
        pairs = [(found, was)] if keys is None else [(found[k], was[k]) for k in keys]
        arrays = [(np.asarray(a), np.asarray(b)) for a, b in pairs]
        return all(a.shape == b.shape for a, b in arrays) and any((a != b).any() for a, b in arrays)
    except Exception:  # what a stranger's function returns may raise anything when it is looked at
        return False


class _Asked(dict[str, Any]):
    """Weights by name that note which other name was asked for."""

    def __init__(self, arrays: Arrays) -> None:
        super().__init__(arrays)
        self.others: list[str] = []

    def __missing__(self, name: Any) -> Any:
        self.others.append(repr(name))
        raise KeyError(name)


def _of_own_names(subject: UpdateRule, error: BaseException) -> str:
    """Say that a rule asks for parameters by names of its own, where that is why it raises."""
    if not isinstance(error, KeyError):
        return ""
    params, grads = (_Asked(_arrays(numbers, "float64")) for numbers in (_WEIGHTS, _GRADIENTS))
    try:
        _called(subject, params, grads, None)
    except SubjectCrash as crash:
        asked = [*params.others, *grads.others]
        if asked and isinstance(crash.error, KeyError):
            return f"asks for a parameter {asked[-1]}: names differ from case to case (w0, w1, …), loop over params"
    return ""
