"""Torch parameters and gradients made from arrays, and torch tensors back as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from gdprops.model.case import CHANNELS_LAST, STRIDED, TRANSPOSED
from gdprops.model.subject import Delivery
from gdprops.subjects.torch_optimizer.memory_layout import laid_out

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Plan

LAYOUTS = {
    Delivery.ASSIGNED: "",
    Delivery.TRANSPOSED: TRANSPOSED,
    Delivery.STRIDED: STRIDED,
    Delivery.CHANNELS_LAST: CHANNELS_LAST,
}
HALVES = (torch.bfloat16, torch.float16)


@contextmanager
def default_dtype(plan: Plan) -> Iterator[None]:
    """Make float64 torch's default dtype inside this context, where a plan asks for that."""
    if not plan.wide:
        yield
        return
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def parameter_of(w: Array, plan: Plan, *, frozen: bool) -> torch.Tensor:
    """Return a parameter with these numbers, in the layout and the dtype that a plan asks for."""
    values = torch.from_numpy(w.copy(order="K"))
    values = values.to(getattr(torch, plan.dtype)) if plan.dtype else values
    values = laid_out(values, plan.layout) if plan.layout else values
    made = torch.nn.Parameter(values, requires_grad=not frozen)
    return made.clone() if plan.options.get("differentiable") and not frozen else made  # a leaf could not move


def numbers_of(tensor: torch.Tensor) -> Array:
    """Return a copy of a tensor's numbers; bfloat16 and float16 become float32."""
    plain = tensor.detach()
    numbers: Array = (plain.float() if plain.dtype in HALVES else plain).numpy().copy(order="K")
    return numbers


class Form(NamedTuple):
    """A parameter's dtype, shape and device, and whether it is frozen."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    device: torch.device
    trains: bool

    def __str__(self) -> str:
        frozen = "" if self.trains else ", requires_grad=False"
        return f"{self.dtype}{self.shape} on {self.device}{frozen}".removeprefix("torch.")


def form_of(p: torch.Tensor) -> Form:
    """Return the form of a parameter as it is now."""
    return Form(p.dtype, tuple(p.shape), p.device, p.requires_grad)


def gradient_for(p: torch.Tensor, g: Array, layout: str) -> torch.Tensor:
    """Return a gradient for p: with the strides of p, or in the given layout."""
    values = torch.from_numpy(np.array(g, order="C"))  # a copy that torch makes takes three times as long
    values = values if values.dtype == p.dtype else values.to(p.dtype)
    if layout:
        return laid_out(values, layout)
    return values if p.is_contiguous() else torch.empty_like(p, requires_grad=False).copy_(values)


def sparse_gradient_for(p: torch.Tensor, g: Array) -> torch.Tensor:
    """Return a sparse gradient that lists every row, the first one in two halves; a dense one where there are none."""
    if not g.ndim or not g.size:
        return gradient_for(p, g, "")
    rows, values = listed_rows(g)
    return torch.sparse_coo_tensor(torch.tensor([rows]), torch.from_numpy(values).to(p.dtype), p.shape)


def listed_rows(g: Array) -> tuple[list[int], Array]:
    """Return the numbers of the rows that a sparse gradient lists, and these rows: the first one in two halves."""
    half = g[:1] / 2
    return [0, *range(len(g))], np.concatenate([half, g[:1] - half, g[1:]])


def differentiate(p: torch.Tensor, g: torch.Tensor, delivery: Delivery) -> None:
    """Let autograd produce the gradient g, from J = <g, p>; a term 0 |p|^2 lets the gradient keep a graph."""
    with torch.enable_grad():
        if delivery is Delivery.GRAPH:
            (p.grad,) = torch.autograd.grad((p * g + 0 * p * p).sum(), p, create_graph=True)
        else:
            (p * g).sum().backward()  # type: ignore[no-untyped-call] # torch's
