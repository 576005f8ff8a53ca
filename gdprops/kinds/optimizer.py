"""Optimizers: a class or factory ``(params, **hyperparameters) -> torch.optim.Optimizer``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, final

from gdprops.kinds.fed import FedKind
from gdprops.kinds.framework import FRAMEWORK, is_foreign
from gdprops.model.subject import FedSubject
from gdprops.subjects.torch_optimizer import NAME
from gdprops.subjects.user_code.importing import label_of

if TYPE_CHECKING:
    from gdprops.kinds.kind import Asked


@final
class OptimizerKind(FedKind[FedSubject]):
    """Torch optimizers; a class of a framework that is imported already is adapted as that framework's."""

    name = NAME

    def recognizes(self, found: object) -> bool:
        """Say whether something is an optimizer class, of torch or of a framework that is imported."""
        from gdprops.subjects.torch_optimizer.subject import is_optimizer_class

        return is_optimizer_class(found) or is_foreign(found)

    def make(self, found: Any, asked: Asked) -> FedSubject:
        """Return a factory as a subject, after building it once."""
        if is_foreign(found):
            return FRAMEWORK.make(found, asked)
        from gdprops.subjects.torch_optimizer.subject import build_optimizer

        name = label_of(asked.spec, asked.given)
        made = build_optimizer(
            found, rule=asked.rule, traits=asked.traits, name=name, hyperparameters=asked.given, source=asked.spec
        )
        return cast("FedSubject", made)


OPTIMIZER = OptimizerKind()
