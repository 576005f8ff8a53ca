"""Multi-tensor paths that do otherwise than the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gdprops.faults.optimizers.correct_optimizers import AMSGrad, Group
from gdprops.faults.optimizers.declared_as import claims_nothing

if TYPE_CHECKING:
    from torch import Tensor


class ForeachForgetsItsMaximum(AMSGrad):
    """The multi-tensor path takes the maximum and does not keep it."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        super().move(p, g, group)
        if group["foreach"]:
            del self.memory(p)["largest"]


class ForeachStopsAtAMissingGradient(AMSGrad):
    """The multi-tensor path returns, where it should continue, at the first tensor without a gradient."""

    def move_all(self) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None and group["foreach"]:
                    return
                if p.grad is not None:
                    self.move(p, p.grad, group)


class ForeachDecaysOncePerDtype(AMSGrad):
    """The multi-tensor path goes through the dtypes one by one, and decays all parameters at each of them."""

    def move_all(self) -> None:
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            times = len({p.dtype for p in moved}) if group["foreach"] else 1
            for p in moved:
                p.mul_((1 - 0.125 * group["lr"]) ** times)
        super().move_all()


class ForeachDecaysIntoTheGradient(AMSGrad):
    """The multi-tensor path adds the weight decay to the gradient in place."""

    def move(self, p: Tensor, g: Tensor, group: Group) -> None:
        if group["foreach"]:
            g.add_(p, alpha=0.125)
        super().move(p, g if group["foreach"] else g + 0.125 * p, group)


FAULTS = (
    claims_nothing(
        "foreach-forgets-its-maximum",
        "The multi-tensor path does not keep the largest mean square.",
        ForeachForgetsItsMaximum,
        source="pytorch/pytorch#78807",
    ),
    claims_nothing(
        "foreach-stops-at-a-missing-gradient",
        "The multi-tensor path returns at the first tensor without a gradient.",
        ForeachStopsAtAMissingGradient,
        source="pytorch/pytorch#110454",
    ),
    claims_nothing(
        "foreach-decays-once-per-dtype",
        "The multi-tensor path decays every parameter once for each dtype.",
        ForeachDecaysOncePerDtype,
        source="huggingface/pytorch-image-models#2750",
    ),
    claims_nothing(
        "foreach-decays-into-the-gradient",
        "The multi-tensor path alone adds the weight decay to the gradient in place.",
        ForeachDecaysIntoTheGradient,
        source="pytorch/pytorch#92706",
    ),
)
