"""Make a subject from a subject string, such as ``torch.optim:SGD`` or ``path/to/file.py:name``.

Every kind is first asked whether the string alone belongs to it (``claims``), then whether it recognizes the imported
object (``recognizes``). ``--as`` chooses the kind instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.kinds import KINDS, NAMES, kind_of
from gdprops.kinds.backprop import BACKPROP
from gdprops.kinds.kind import Asked, Kind
from gdprops.kinds.whole_file import whole_file
from gdprops.model.nearest_name import nearest
from gdprops.model.traits import declared
from gdprops.model.wording import class_or_type
from gdprops.subjects.user_code.canonical_text import SUBJECTS
from gdprops.subjects.user_code.importing import import_name
from gdprops.subjects.user_code.source import is_whole_file

if TYPE_CHECKING:
    from gdprops.model.subject import Subject


def resolve(
    spec: str,
    *,
    kind: str | None = None,
    rule: str | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    traits: Mapping[str, str] | None = None,
) -> Subject:
    """Return the subject that ``package.module:Name`` or ``path/to/file.py:name`` names.

    ``traits`` can be declared for an optimizer class or an update rule only.

    Raises `UsageError`, in one line, if anything is wrong with the name, the kind or the hyperparameters.
    """
    chosen = None if kind is None else kind_named(kind)
    if chosen is not None:
        chosen.load()
    asked = Asked(spec, dict(hyperparameters or {}), rule, declared(traits))
    for one in KINDS:
        if one.claims(spec, chosen=one is chosen):
            return _as_subject(one.from_name(asked, chosen))
    if chosen is None and is_whole_file(spec):
        return _as_subject(whole_file(asked))
    network = _network(spec, chosen)
    if network is not None:
        return _as_subject(BACKPROP.of_class(*network, asked))
    found = import_name(spec)
    if asked.traits and not (callable(found) and (chosen is None or chosen.takes_traits)):
        raise UsageError(f"traits: {spec} takes none; they are declared of optimizer classes and update rules")
    if type(found).__module__.startswith(SUBJECTS) and (chosen is None or not chosen.only_bound):
        return _as_subject(kind_of(found).rebound(found, asked))
    maker = chosen or next((one for one in KINDS if one.recognizes(found)), None)
    if maker is None:
        raise UsageError(
            f"{spec} is {class_or_type(found)}, not an optimizer class; expected a subclass of torch.optim.Optimizer, "
            f"or say what it is with --as {'|'.join(NAMES)}"
        )
    return _as_subject(maker.make(found, asked))


def _network(spec: str, chosen: Kind[Any] | None) -> tuple[str, str] | None:
    """Return the file and the class of a subject string that names a hand-written network, else None."""
    if chosen not in (None, BACKPROP) or not is_whole_file(spec.rpartition(":")[0]):
        return None
    from gdprops.subjects.backprop.as_written.of_file import network_named

    return network_named(spec)


def kind_named(name: str) -> Kind[Any]:
    """Return the kind that ``--as`` names. Raises `UsageError` for an unknown name, and suggests the nearest one."""
    if name not in NAMES:
        raise UsageError(f"as={name!r}; expected one of {', '.join(NAMES)}{nearest(name, NAMES)}")
    return next(kind for kind in KINDS if kind.name == name and kind.is_offered)


def _as_subject(made: Any) -> Subject:
    """Return what a kind made, typed as a subject."""
    subject: Subject = made
    return subject
