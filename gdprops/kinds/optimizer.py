"""The kind of torch optimizers: a class or factory ``(params, **hyperparameters) -> torch.optim.Optimizer``."""

from __future__ import annotations

import sys
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
    """Torch optimizers; an optimizer class of another imported framework is handed on to `FrameworkKind`."""

    name = NAME
    names_by_class = True

    def recognizes(self, found: object) -> bool:
        """Say whether an object is an optimizer class of torch or of another imported framework.

        No class can be one of torch's before torch is imported, so that nothing is imported only to ask.
        """
        if "torch" in sys.modules:
            from gdprops.subjects.torch_optimizer.subject import is_optimizer_class

            if is_optimizer_class(found):
                return True
        return is_foreign(found)

    def make(self, found: Any, asked: Asked) -> FedSubject:
        """Return a factory as a subject; one optimizer is built to see that the hyperparameters fit."""
        if is_foreign(found):
            return FRAMEWORK.make(found, asked)
        from gdprops.subjects.torch_optimizer.subject import build_optimizer

        name = label_of(asked.spec, asked.given)
        made = build_optimizer(
            found, rule=asked.rule, traits=asked.traits, name=name, hyperparameters=asked.given, source=asked.spec
        )
        return cast("FedSubject", made)


OPTIMIZER = OptimizerKind()
