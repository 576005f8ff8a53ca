"""The identity of a subject, from what it is made of.

The identity of most subjects is their functions, hyperparameters and declarations: so it is one from the command line,
from Python and from pytest, whichever way the subject was named. To a subject with a part that no name finds, such as
``rule=lambda params: …``, belongs the ``name=`` that the user gave, or else the name to which its module binds it. A
subject with neither has no lasting identity.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from gdprops.model.identity import Identity, Origin
from gdprops.model.traits import Measured
from gdprops.subjects.user_code import signatures
from gdprops.subjects.user_code.canonical_text import NAMELESS, alike, canonical
from gdprops.subjects.user_code.importable_names import UNSETTLED, Namespace, module_named, name_among, namespace_of


class MadeOfParts(Protocol):
    """What an identity is made from."""

    @property
    def kind(self) -> str:
        """The name of the subject's kind."""

    @property
    def spec(self) -> str:
        """The subject string, as it was typed; another one, or empty, where none was."""

    @property
    def origin(self) -> Origin:
        """How the user made the subject in Python."""

    @property
    def parts(self) -> Mapping[str, Any]:
        """The user's functions and classes, the hyperparameters and the declarations, by name."""


def identity_of(subject: MadeOfParts) -> Identity:
    """Return the identity of a subject; what is not declared is no part of it."""
    stated = {key: value for key, value in subject.parts.items() if not _is_nothing(value)}
    parts = ", ".join(f"{key}: {canonical(value, subject.spec)}" for key, value in stated.items())
    text = f"{subject.kind} {{{parts}}}"
    if not (NAMELESS in text or UNSETTLED in text):
        return Identity(text)
    if subject.origin.name:
        return Identity(f"{_shown(text)} as {subject.origin.name!r}")
    bound = _bound(subject) if NAMELESS in text else None
    whole = text if bound is None else f"{text} as {bound}"
    return Identity(_shown(whole), is_lasting=UNSETTLED not in whole and not (NAMELESS in text and bound is None))


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str | Mapping) and not value)


def _shown(text: str) -> str:
    return text.replace(NAMELESS, "?").replace(UNSETTLED, "")


def _bound(subject: MadeOfParts) -> str | None:
    """Return the name to which a module binds a subject with equal parts, None if there is none."""

    def is_it(other: Any) -> bool:
        return type(other) is type(subject) and alike(other.parts, subject.parts)

    return name_among(_homes(subject), subject.spec, is_it)


def _homes(subject: MadeOfParts) -> Iterator[Namespace]:
    """Yield the modules that may bind a subject: those of its parts, and the one that made it."""
    for part in subject.parts.values():
        home = namespace_of(part) if callable(part) else None
        if home is not None:
            yield home
    made = module_named(subject.origin.module)
    if made is not None:
        yield made


def origin(name: str | None) -> Origin:
    """Return where a function of gdprops is called, and the name that it was given; it calls this function itself."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename == signatures.__file__ and frame.f_back is not None:  # which calls it for the user
        frame = frame.f_back
    return Origin(name or "", str(frame.f_globals.get("__name__", "")))


def values_of(declared: Mapping[str, Measured]) -> Mapping[str, str]:
    """Return declared traits as their values."""
    return {name: trait.value for name, trait in declared.items()}
