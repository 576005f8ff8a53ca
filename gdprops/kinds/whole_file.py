"""A whole file as a subject, without a word on what it is: what it defines is found, and one thing is taken.

Only what the file itself defines counts. Where several things could be meant, they are listed with the command for
each; where there is nothing to check, it is said what was found, and how code becomes checkable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from gdprops.errors import UsageError
from gdprops.kinds import kind_of
from gdprops.kinds.backprop import BACKPROP
from gdprops.kinds.optimizer import OPTIMIZER
from gdprops.kinds.update_rule import UPDATE_RULE
from gdprops.model.wording import plural
from gdprops.subjects.user_code.signatures import parameters_of

if TYPE_CHECKING:
    from gdprops.kinds.kind import Asked
    from gdprops.subjects.user_code.definitions import Definitions

SUBJECTS = "gdprops.subjects."
WAYS = (
    "to make it checkable, write loss(params, X, y) and step(params, X, y, lr) or gradients(params, X, y)",
    "or a class with forward(X) and train(X, y)",
    "or name what it holds with --as, for instance FILE:build --as training-step",
)
FRAMEWORKS = ("torch", "keras", "tensorflow", "jax", "flax", "sklearn")
WEIGHTS, GRADIENTS = ("params", "weights", "parameters"), ("grads", "gradients")
"""How an update rule calls what it moves, and along what."""


class Candidate(NamedTuple):
    """Something in a file that can be checked: its name, what it is, the option that it needs, and how it is made."""

    name: str
    what: str
    option: str
    make: Callable[[], Any]


def whole_file(asked: Asked) -> Any:
    """Return what a file or notebook holds as a subject.

    Raises `UsageError` where nothing, or several things, can be meant.
    """
    found = _candidates(asked)
    if len(found) == 1:
        return found[0].make()
    path = asked.spec
    if found:
        listed = "; ".join(f"gdprops check {path}:{one.name}{one.option} ({one.what})" for one in found)
        raise UsageError(f"{path} holds {plural(len(found), 'thing')} to check, say which: {listed}")
    raise UsageError(f"{path} {_unreadable(path) or '; '.join((_nothing(path), *WAYS))}")


def _candidates(asked: Asked) -> list[Candidate]:
    from gdprops.subjects.backprop.as_written.of_file import candidates, defined_in, has_functions

    if not has_functions(asked.spec):
        definitions = defined_in(asked.spec)
        found = [*_bound(definitions, asked), *_of_own(definitions, asked)]
        if found:
            return found
    written = candidates(asked.spec, asked.given)
    return [Candidate(one.name, one.what, "", partial(BACKPROP.of_file, one, asked)) for one in written]


def _bound(definitions: Definitions, asked: Asked) -> list[Candidate]:
    """Return the names of a file that are bound to subjects."""
    found = {name: value for name, value in vars(definitions.module).items() if is_subject(value)}
    return [
        Candidate(name, f"a subject: {value.kind}", "", _rebound(value, name, asked)) for name, value in found.items()
    ]


def is_subject(value: Any) -> bool:
    """Say whether a value is a subject that one of gdprops' functions has made."""
    return type(value).__module__.startswith(SUBJECTS) and isinstance(getattr(value, "kind", None), str)


def _rebound(found: Any, name: str, asked: Asked) -> Callable[[], Any]:
    return lambda: kind_of(found).rebound(found, replace(asked, spec=f"{asked.spec}:{name}"))


def _of_own(definitions: Definitions, asked: Asked) -> list[Candidate]:
    """Return the optimizer classes and the update rules that a file defines."""
    found = list[Candidate]()
    for name, value in definitions.own.items():
        at = replace(asked, spec=f"{asked.spec}:{name}")
        if isinstance(value, type):
            if OPTIMIZER.recognizes(value):
                found.append(Candidate(name, "an optimizer class", "", _made(OPTIMIZER, value, at)))
        elif is_update_rule(value):
            found.append(Candidate(name, "an update rule", f" {UPDATE_RULE.option}", _made(UPDATE_RULE, value, at)))
    return found


def is_update_rule(found: Any) -> bool:
    """Say whether a function is an update rule by what its first arguments are called: params, grads and a state."""
    names = list(parameters_of(found) or {})
    return len(names) > 2 and names[0] in WEIGHTS and names[1] in GRADIENTS and names[2].startswith("state")


def _made(kind: Any, found: Any, asked: Asked) -> Callable[[], Any]:
    return lambda: kind.make(found, asked)


def _unreadable(path: str) -> str:
    """Return why nothing that a file defines is there: it is empty, or Python cannot make it; else nothing."""
    from gdprops.subjects.backprop.as_written.of_file import defined_in

    definitions = defined_in(path)
    if not definitions.source.tree.body:
        return "is empty: it holds no code that could be checked"
    if definitions.own or not definitions.missing:
        return ""
    told = "; ".join(f"{name}: {why}" for name, why in definitions.missing.items())
    return f"defines nothing that Python can make ({told}); once it can be imported, run gdprops check {path} again"


def _nothing(path: str) -> str:
    """Return what a file holds that cannot be checked."""
    from gdprops.subjects.backprop.as_written.of_file import defined_in
    from gdprops.subjects.backprop.as_written.script_loop import TEMPLATE
    from gdprops.subjects.backprop.as_written.training_loops import has_loop

    definitions = defined_in(path)
    own = definitions.own
    if has_loop(definitions.source.tree):
        return f"is a script without a step that can be called; {TEMPLATE}"
    if not own:
        return "defines no function and no class"
    inherited = [
        f"{name} ({base.__module__.partition('.')[0]})"
        for name, value in own.items()
        if isinstance(value, type)
        for base in value.__mro__[1:]
        if base.__module__.startswith(FRAMEWORKS)
    ]
    if inherited:
        told = ", ".join(dict.fromkeys(inherited))
        return f"defines {told}, which trains by its framework: check its step with --as training-step"
    return f"defines nothing that is known to train: {', '.join(own)}"
