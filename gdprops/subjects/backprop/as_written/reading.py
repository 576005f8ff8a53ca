"""A reading: how code was understood, as plain functions of parameters, samples and targets.

Every form gives readings; which of them is right is decided by the loss under which most parameters move as they
should (`found_loss.py`). Samples and targets always come with one sample in every row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.backprop_layout import Shape

Params = Mapping[str, Any]


@final
@dataclass(frozen=True, slots=True)
class Reading:
    """Code as functions over parameters by name.

    Attributes:
        shapes: the shape of every parameter, front to back, for numbers of inputs, hidden units and outputs.
        output: ``(params, X) -> outputs``, one row for each sample.
        step: ``(params, X, y, lr) -> params`` after one call of the training code; None where only gradients are there.
        gradients: ``(params, X, y) -> gradients`` by the parameters' names; None where a step is there.
        loss: the code's own loss ``(params, X, y) -> float``, where gradients and loss belong together.
        stated: what a method of the code computes as the loss, beside the training; it decides where nothing else does.
        inputs, outputs: the numbers of features and outputs where the code fixes them.
        single: whether one sample at a time is trained.
        targets: the form of the targets, as `gdprops.backprop` calls it.
        takes_rate: whether the learning rate can be chosen.
        told: how the code is called, in words.
        script: the lines that repeat one step, from the names and arrays of the parameters, X, y and the rate.
        again: ``(params, batches, lr, reset) -> params`` after several calls on one object, whose parameters are put
            back between the calls where ``reset`` is true; None where there is no object.
        in_batches: ``(params, batches, lr) -> params`` after one call that trains on all of them, as its mini-batches;
            None where nothing says how many rows a mini-batch has.
        outputs_are: ``"scores"`` or ``"signed scores"`` where the output is what a threshold decides on.
        batch_told: the name of the function that trains, to compare readings of it.
        watched: the parameters while a step runs, from one of its frames.
        unbounded: why the loss is no measure of training; empty where it is one.
        loss_told: what is told of a loss that the code computes itself.
        begins_in_training: whether the parameters are only made when training begins.
        signed: whether targets are -1 and 1.
        returns_both: whether one call returns the loss together with its gradients: no other loss is meant then.
        guess: how the code was put together where nobody wrote it down: it is wrong only if it is so in every such way.
        lent_by: a file that the code does not import, of which it was put together: then it is never told to be wrong.
    """

    name: str
    shapes: Callable[[int, int, int], Mapping[str, Shape]]
    output: Callable[[Params, Array], Any]
    step: Callable[[Params, Array, Array, float], dict[str, Any]] | None
    gradients: Callable[[Params, Array, Array], dict[str, Any]] | None
    loss: Callable[[Params, Array, Array], Any] | None
    inputs: int | None
    outputs: int | None
    single: bool
    targets: str
    takes_rate: bool
    told: tuple[str, ...]
    script: Callable[[Params, Array, Array, float], list[str]]
    functions: tuple[Any, ...] = ()
    again: Callable[[Params, Sequence[tuple[Array, Array]], float, bool], dict[str, Any]] | None = None
    in_batches: Callable[[Params, Sequence[tuple[Array, Array]], float], dict[str, Any]] | None = None
    outputs_are: str = ""
    signed: bool = False
    batch_told: str = ""
    begins_in_training: bool = False
    watched: Callable[[Any], Mapping[str, Any]] | None = None
    unbounded: str = ""
    returns_both: bool = False
    loss_told: str = "judged by the loss that the file itself computes"
    guess: str = ""
    lent_by: str = ""
    stated: Callable[[Params, Array, Array], Any] | None = None

    def targets_as_rows(self, y: Array, n_out: int) -> Array:
        """Return targets of any form as rows: labels as one-hot rows, a vector as a column."""
        if y.dtype.kind in "iu" and y.ndim == 1:
            return np.asarray(np.eye(n_out)[y])
        rows = y[:, None] if y.ndim == 1 else y
        return 2 * rows - 1 if self.signed else rows
