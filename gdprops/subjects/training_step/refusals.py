"""What torch itself refuses to do on a network that gdprops has drawn: no fault of the user's code.

Drawn networks have frozen parameters and ones that the loss does not reach. An optimizer of one half of them may then
hold nothing that has a gradient, or nothing at all, and torch raises inside its own code: ``GradScaler.step`` ("No inf
checks were recorded for this optimizer."), ``Optimizer`` ("optimizer got an empty parameter list").
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from types import FrameType
from typing import TYPE_CHECKING, Any

from gdprops.errors import text_of

if TYPE_CHECKING:
    from gdprops.errors import SubjectCrash

SCALER, OPTIMIZER = ("amp", "grad_scaler.py"), ("optim", "optimizer.py")
NO_GRADIENT = "a GradScaler raises where its optimizer holds nothing that has a gradient"
NOTHING_LEFT = "torch refuses an optimizer without parameters, and the drawn network leaves none for it"


def unscaled(crash: SubjectCrash) -> Sequence[Any] | None:
    """Return the parameters of the optimizer for which ``GradScaler.step`` has recorded no gradients.

    None where something else was raised.
    """
    frame = _last_frame(crash, SCALER, "step")
    optimizer = None if frame is None or not isinstance(crash.error, AssertionError) else frame.f_locals["optimizer"]
    return None if optimizer is None else [p for group in optimizer.param_groups for p in group["params"]]


def is_for_want_of_parameters(crash: SubjectCrash, trainable: Sequence[bool]) -> bool:
    """Say whether an optimizer got no parameters, of a model that had a frozen one, or one in all, before ``build``."""
    frame = _last_frame(crash, OPTIMIZER, "__init__")
    few = len(trainable) < 2 or not all(trainable)
    return few and frame is not None and "empty parameter list" in text_of(crash.error)


def _last_frame(crash: SubjectCrash, file: tuple[str, str], function: str) -> FrameType | None:
    """Return the frame that raised, where it is that function of a file of torch's."""
    found = crash.error.__traceback__
    while found is not None and found.tb_next is not None:
        found = found.tb_next
    if found is None:
        return None
    code = found.tb_frame.f_code
    return found.tb_frame if code.co_name == function and PurePath(code.co_filename).parts[-2:] == file else None
