"""What tells one subject from all others, however it was named.

``torch.optim:Adam`` with ``lr=0.01`` and ``gdprops.optimizer(torch.optim.Adam, lr=1e-2)`` are one subject, with one
identity. Seeds, the database of failing examples, accepted violations and saved counterexamples are keyed by the
identity; a subject's name is for display.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, slots=True)
class Identity:
    """A subject's identity.

    Attributes:
        key: The kind, the importable objects, the hyperparameters and the declarations as one text, equal for equal
            subjects, such as ``optimizer {factory: torch.optim.adam:Adam, hyperparameters: {'lr': 0.01}, …}``.
        is_lasting: Whether the key tells the subject from all others in later runs too. It does not for a closure, a
            lambda or a function of a notebook that no name finds, unless the user has given the subject a name.
    """

    key: str
    is_lasting: bool = True


@final
@dataclass(frozen=True, slots=True)
class Origin:
    """How the user made a subject in Python: the ``name=`` that was given, and the module that made it."""

    name: str = ""
    module: str = ""


NO_ORIGIN = Origin()
"""Of a subject that was made from a subject string."""
