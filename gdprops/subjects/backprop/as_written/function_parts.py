"""Which functions of a file do what: forward, backward, update and cost, by their names and by what calls what.

A course has them in four functions, others in two or in one; small parts (``sigmoid_backward``) and whole models that
begin anew are left out.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from gdprops.subjects.backprop.as_written.calls import parameters
from gdprops.subjects.backprop.as_written.definition import definition_of
from gdprops.subjects.backprop.as_written.global_parameters import global_parameters
from gdprops.subjects.backprop.as_written.output_in_loss import is_output_in, output_in
from gdprops.subjects.backprop.as_written.parameter_sets import (
    ParameterSet,
    guessed_sets,
    listed_sets,
    made_sets,
    nested_sets,
    under_names,
)
from gdprops.subjects.backprop.as_written.roles import INITIAL, LOSS, Role, plain, role_of
from gdprops.subjects.backprop.shapes import BIAS

IS_FORWARD = re.compile(
    r"\w*(forward|feed_?forward|predict|hypothesis|compute_output|fprop|run_network|evaluate_classifier)\w*|net|model|"
    r"nn|network"
)
IS_BACKWARD = re.compile(
    r"\w*(backward|back_?prop|backpropagat|bprop|gradients?|compute_grad|get_grad|calc_grad)\w*|grad|grads|propagate",
    re.IGNORECASE,
)
IS_COST = re.compile(r"\w*(cost|loss)\w*")
IS_UPDATE = re.compile(r"(update|optimi[sz]e|gradient_descent|sgd|apply|adjust|step|gd_step)\w*")
IS_TRAIN = re.compile(r"(train|fit|learn|train_step|sgd|gradient_descent|step|update)\w*")
SMALL_PARTS = re.compile(
    r"(linear|relu|sigmoid|tanh|softmax|activation|affine)_?(activation_)?(forward|backward|grad\w*|back\w*)|\w*(prime|derivative)"
)
PARAMETER = re.compile(r"[wW]\w{0,4}|[bB]\d?|[bB]_?[a-z0-9]{0,3}|theta\w*|Theta\w*|weights?\w*|bias\w*|U|V")


@final
@dataclass(frozen=True, slots=True)
class Functions:
    """The functions of a file by what they do; None for what is not there.

    ``counts``: the names of global variables that are the number of samples; ``further``: updates of other parameters,
    which come after the first one.
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    update: Callable[..., Any] | None
    cost: Callable[..., Any] | None
    counts: tuple[str, ...] = ()
    further: tuple[Callable[..., Any], ...] = ()

    @property
    def every(self) -> list[Callable[..., Any]]:
        """The functions that are there, the forward pass first."""
        found = (self.forward, self.backward, self.update, *self.further, self.cost)
        return [f for f in found if f is not None]

    @property
    def updates(self) -> list[Callable[..., Any]]:
        """What moves the parameters along gradients, in order."""
        return [f for f in (self.update, *self.further) if f is not None]

    @property
    def told(self) -> str:
        """The functions in the order in which they are called."""
        found = [self.forward, self.backward, *self.updates]
        told = ", ".join(dict.fromkeys(f"{f.__name__}()" for f in found if f is not None))
        return told if self.cost is None else f"{told}; the loss is {self.cost.__name__}()"


def _is(kind: re.Pattern[str], name: str) -> bool:
    """Say whether a name is of some kind, however its words are joined: ``ComputeGradients``, ``compute_gradients``."""
    return kind.fullmatch(re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()) is not None


def has_pipeline(own: Mapping[str, Any]) -> bool:
    """Say whether functions of a file compute an output, and others train."""
    functions = parts_of(own)
    found = next(iter(pipelines(functions)), None)
    if found is None or not is_output_in(found.forward):
        return found is not None
    return next(parameter_sets(functions, found), None) is not None  # else loss(p, X, y) is known by another name


def parts_of(own: Mapping[str, Any]) -> dict[str, Callable[..., Any]]:
    """Return the functions that may be parts of a network: not single activations, nor a model that begins anew."""
    functions = {n: f for n, f in own.items() if inspect.isfunction(f) and not _is(SMALL_PARTS, n)}
    initial = {n for n in functions if _is(INITIAL, n)}
    return {n: f for n, f in functions.items() if n in initial or not _called(f) & initial}


def pipelines(functions: Mapping[str, Callable[..., Any]]) -> Iterator[Functions]:
    """Yield the ways to call functions one after the other: forward, backward and update."""
    called = {name: _called(f) & functions.keys() for name, f in functions.items()}
    forwards = [n for n, f in functions.items() if _is(IS_FORWARD, n) and not _is(IS_BACKWARD, n) and not _compares(f)]
    predicts = [n for n in forwards if "predict" in n.lower()]  # what they call may be the forward pass
    forwards = [*_outermost([n for n in forwards if n not in predicts], called), *_outermost(predicts, called)]
    forwards += [n for n in predicts if n not in forwards]  # which may be what a predicted class is taken from
    backwards = [n for n in functions if _is(IS_BACKWARD, n) and n not in forwards]
    backwards = _outermost([n for n in backwards if "descent" not in n.lower()] or backwards, called)
    updates = [n for n in functions if _is(IS_UPDATE, n) and n not in (*backwards, *forwards) and _moves(functions[n])]
    trains = [n for n in functions if _is(IS_TRAIN, n) and n not in (*updates, *forwards, *backwards)]
    costs = [n for n in functions if plain(n) in LOSS or _is(IS_COST, n)]
    losses_with_gradients = [n for n in costs if n not in backwards]
    outputs = {} if forwards else {n: made for n in costs if (made := output_in(functions[n])) is not None}
    inside = [] if forwards else [made for n in backwards if (made := output_in(functions[n])) is not None]
    for f, cost in [
        *((functions[n], functions[costs[0]] if costs else None) for n in forwards),
        *((made, functions[n]) for n, made in outputs.items()),
        *((made, None) for made in inside),
    ]:
        for backward in backwards:
            for moved in _together([functions[n] for n in updates]):
                first = moved[0] if moved else None
                yield Functions(f, functions[backward], first, cost, further=tuple(moved[1:]))
        for train in trains:
            yield Functions(f, functions[train], None, cost)
        for both in losses_with_gradients:
            if f.__name__ == both or not outputs:
                yield Functions(f, functions[both], None, functions[both])


def _together(updates: Sequence[Callable[..., Any]]) -> list[Sequence[Callable[..., Any]]]:
    """Return which updates make one step: all where each moves parameters of its own, else each one; and none."""
    moved = [{p.name for p in parameters(f) or [] if PARAMETER.fullmatch(p.name)} for f in updates]
    if len(updates) > 1 and all(moved) and len(set[str]().union(*moved)) == sum(map(len, moved)):
        return [updates, []]
    return [*([f] for f in updates), []]


def _compares(function: Callable[..., Any]) -> bool:
    """Say whether a function must get targets: it tells how good the outputs are, and is no forward pass."""
    return any(p.name in ("Y", "y", "labels", "targets") and p.default is p.empty for p in parameters(function) or [])


GRADIENT = re.compile(r"d_?[wWbB]\w*|d[a-zA-Z]{1,4}_?d_?[wWbB]\w*|grad_\w+|nabla_\w+|\w+_grad")


def _moves(function: Callable[..., Any]) -> bool:
    """Say whether a function moves parameters by what it takes: gradients, or the parameters and the rate alone."""
    names = [p.name for p in parameters(function) or []]
    roles = {role_of(name) for name in names}
    gradients = Role.GRADIENTS in roles or any(map(GRADIENT.fullmatch, names))
    return gradients or ({Role.PARAMS, Role.RATE} <= roles and Role.TARGETS not in roles)


def only_differentiates(function: Callable[..., Any]) -> bool:
    """Say whether a function is called like a backward pass, and takes no learning rate by which it could move."""
    return _is(IS_BACKWARD, function.__name__) and not takes_rate(function)


def returns_moved(function: Callable[..., Any]) -> bool:
    """Say whether the one array that a function returns is the parameter after a step, and not its gradient."""
    return takes_rate(function) and not _is(IS_BACKWARD, function.__name__)


def takes_rate(function: Callable[..., Any]) -> bool:
    """Say whether a function takes a learning rate."""
    return any(role_of(p.name) is Role.RATE for p in parameters(function) or [])


def _called(function: Callable[..., Any]) -> set[str]:
    nodes = ast.walk(definition_of(function))
    return {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def _outermost(names: Sequence[str], called: Mapping[str, set[str]]) -> list[str]:
    """Return the functions that no other one of the same kind calls."""
    inner = {name for other in names for name in called[other] if name != other}
    return [name for name in names if name not in inner] or list(names)


def parameter_sets(functions: Mapping[str, Callable[..., Any]], chosen: Functions) -> Iterator[ParameterSet]:
    """Yield the ways in which functions may hold their parameters."""
    for made in made_sets([f for n, f in functions.items() if _is(INITIAL, n)]):
        yield under_names(made, _asked_for(chosen.forward))
    single = [
        p.name
        for p in parameters(chosen.forward) or []
        if PARAMETER.fullmatch(p.name) and role_of(p.name) is not Role.DATA
    ]
    single = single or global_parameters(chosen.forward, PARAMETER)
    if single and all(_is_listed(chosen.forward, name) for name in single):
        yield from listed_sets(sorted(single, key=_is_bias))
    if single and not any(role_of(name) is Role.PARAMS and len(single) == 1 for name in single):
        yield from guessed_sets(single, in_dict=False)
        return
    asked = _keys(chosen.forward)
    if asked:
        yield from guessed_sets(asked, in_dict=True)
    elif single:
        yield from guessed_sets(single, in_dict=False)
    elif any(role_of(p.name) is Role.PARAMS for p in parameters(chosen.forward) or []):
        yield from nested_sets()


def _is_bias(name: str) -> bool:
    return BIAS.match(name) is not None


def _is_listed(function: Callable[..., Any], name: str) -> bool:
    """Say whether a function goes through a variable layer by layer: ``W[0]``, ``len(W)``, ``zip(W, b)``."""
    for node in ast.walk(definition_of(function)):
        if isinstance(node, ast.Subscript):
            held = [node.value] if not isinstance(node.slice, ast.Tuple | ast.Slice) else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            held = node.args if node.func.id in ("len", "zip", "enumerate", "reversed") else []
        else:
            held = [node.iter] if isinstance(node, ast.For | ast.comprehension) else []
        if any(isinstance(one, ast.Name) and one.id == name for one in held):
            return True
    return False


def _asked_for(forward: Callable[..., Any]) -> list[str]:
    """Return what a forward pass must be given beside the samples."""
    return [p.name for p in parameters(forward) or [] if p.default is p.empty and role_of(p.name) is not Role.DATA]


def _keys(function: Callable[..., Any]) -> list[str]:
    """Return the names that a function looks up in its parameters: ``params["W1"]``."""
    tree = definition_of(function)
    holders = {p.name for p in parameters(function) or [] if role_of(p.name) in (Role.PARAMS, Role.OTHER)}
    found = [
        (n.lineno, n.col_offset, k, key)
        for n in ast.walk(tree)
        if isinstance(n, ast.Subscript)
        and isinstance(n.value, ast.Name)
        and n.value.id in holders
        and isinstance(n.ctx, ast.Load)
        for k, key in enumerate(_texts_of(n.slice, tree))
    ]
    return list(dict.fromkeys(key for *_, key in sorted(found)))


def _texts_of(key: ast.expr, tree: ast.AST) -> list[str]:
    """Return the texts that a key stands for: itself, or those that a loop goes through, ``for k in ("W1", "b1")``."""
    if not isinstance(key, ast.Name):
        return [key.value] if isinstance(key, ast.Constant) and isinstance(key.value, str) else []
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.comprehension | ast.For)]
    through = next((n.iter for n in loops if isinstance(n.target, ast.Name) and n.target.id == key.id), None)
    try:
        found = () if through is None else ast.literal_eval(through)
    except ValueError:
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, tuple | list) else []
