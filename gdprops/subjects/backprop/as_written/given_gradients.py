"""The gradients that training code returns or stores, brought to the parameters that they belong to.

``return dW, db``, ``{"dW1": ..., "db1": ...}``, ``self.dW``, ``self.W.grad`` beside ``self.W.value``: a gradient is
known by its place or by its name, and must have the shape of its parameter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gdprops.subjects.backprop.as_written.leaves import AnyLeaf, Leaf, leaves_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array


Order = tuple[int, ...]
"""Which of the arrays that are returned, one after the other, belongs to the first parameter, the second, and so on."""


def gradients_of(
    returned: Any, net: Any, leaves: Sequence[AnyLeaf], order: Order | None = None
) -> dict[str, Any] | None:
    """Return the gradients that a method returned, or stored in attributes, by the parameters' names.

    ``order``: which of the arrays belongs to which parameter, as found out at sizes that tell them apart.
    """
    shapes = {leaf.name: leaf.shape for leaf in leaves}
    return returned_gradients(returned, shapes, order) or _stored(net, leaves)


def returned_gradients(
    returned: Any, shapes: Mapping[str, tuple[int, ...]], order: Order | None = None
) -> dict[str, Any] | None:
    """Return gradients by the parameters' names, from a dict, a sequence or a pair of lists.

    ``order``: which of the arrays belongs to which parameter; None to go by their shapes.
    """
    returned = _without_loss(returned, len(shapes))
    if isinstance(returned, dict):
        return _from_dict(returned, shapes)
    order = order_of(returned, shapes) if order is None else order
    if order is None or not isinstance(returned, tuple | list):
        return None
    every = list(flat(returned))
    return {name: every[k] for name, k in zip(shapes, order, strict=True)} if len(every) == len(order) else None


def order_of(returned: Any, shapes: Mapping[str, tuple[int, ...]]) -> Order | None:
    """Return which of some arrays belongs to which parameter by their shapes; None where they are no gradients.

    A layer of one unit does not tell its weights from its bias: this is asked at sizes that differ, and kept.
    """
    returned = _without_loss(returned, len(shapes))
    if not isinstance(returned, tuple | list):
        return None
    every, count = list(flat(returned)), len(shapes)
    orders = [tuple(range(count))]
    if len(returned) == 2 and count % 2 == 0:
        half = count // 2
        orders += [tuple(n for k in range(half) for n in pair(k, half)) for pair in (_first, _last)]
    exact = [tuple(_longer(s) == _longer(np.shape(v)) for v in every) for s in shapes.values()]
    if len(every) == count and all(sum(row) == 1 for row in exact):
        orders.append(tuple(row.index(True) for row in exact))
    orders = [one for one in orders if len(every) == count and sorted(one) == list(range(count))]
    for fits in (_is_like, can_spread):
        for one in orders:
            if all(fits(every[k], np.empty(s)) for k, s in zip(one, shapes.values(), strict=True)):
                return one
    return None


def _longer(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without sizes of one: the gradient of a bias (1, 4) may be (4,)."""
    return tuple(n for n in shape if n != 1)


def _first(k: int, half: int) -> tuple[int, int]:
    return k, half + k


def _last(k: int, half: int) -> tuple[int, int]:
    return half + k, k


def _without_loss(returned: Any, count: int) -> Any:
    """Return the gradients of a pair of a loss and gradients, or of a loss and so many gradients behind it."""
    if isinstance(returned, tuple) and len(returned) == count + 1 and _is_number(returned[0]):
        return returned[1:] if not isinstance(returned[1], dict | list | tuple) else returned[1]
    if isinstance(returned, tuple) and len(returned) == 2 and _is_number(returned[0]) and not _is_number(returned[1]):
        return returned[1]
    return returned


def _is_like(value: Any, w: Array) -> bool:
    return _is_numeric(value) and np.shape(value) == w.shape


def _is_numeric(value: Any) -> bool:
    try:
        return np.asarray(value).dtype.kind in "fiu"
    except ValueError:
        return False


def can_spread(value: Any, w: Array) -> bool:
    """Say whether a value can be taken away from an array in place: it has its shape, or is spread over it."""
    try:
        return _is_numeric(value) and bool(np.broadcast_shapes(np.shape(value), w.shape) == w.shape)
    except ValueError:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) or (isinstance(value, np.ndarray) and value.ndim == 0)


def flat(value: Any) -> Iterator[Any]:
    """Yield what lists and tuples hold, however deep."""
    for inside in value:
        if isinstance(inside, tuple | list):
            yield from flat(inside)
        else:
            yield inside


def _from_dict(returned: Mapping[Any, Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    found = {}
    for name in shapes:
        short = bare(name)
        for alias in (short, *(form.format(short) for form in GRADIENT_NAMES)):
            if alias in returned:
                found[name] = returned[alias]
                break
    return found if len(found) == len(shapes) else None


GRADIENT_NAMES = (
    *("d{}", "d_{}", "grad_{}", "{}_grad", "grad{}", "D{}", "delta_{}", "nabla_{}"),
    *("{}_gradient", "dL_d{}", "update_{}"),
)
"""How the gradient of a parameter is called."""


def bare(name: str) -> str:
    """Return the last word of a parameter's name: ``params['W1']`` is W1, ``layers[0].weights`` weights."""
    key = re.search(r"\['([^']*)'\]$", name)
    return key.group(1) if key else name.rpartition(".")[2]


HOLDS_GRADIENTS = ("grads", "gradients", "grad", "_grads")
"""How a dict of gradients is called, beside the parameters."""


def _stored(net: Any, leaves: Sequence[AnyLeaf]) -> dict[str, Any] | None:
    held = {leaf.name: leaf for leaf in leaves_of(net)}
    found, taken = {}, set[Any]()
    for leaf in leaves:
        short = bare(leaf.name)
        names = [form.format(short) for form in GRADIENT_NAMES]
        holder = leaf.name.removesuffix(f"[{short!r}]").rpartition(".")[0]  # layers[0] of layers[0].params['w']
        before = f"{holder}." if holder else ""
        offered = [f"{before}{n}" for n in names]
        places = [f"{at}{place}" for at in dict.fromkeys((before, "")) for place in HOLDS_GRADIENTS]
        offered += [f"{place}[{n!r}]" for place in places for n in (short, *names)]
        at = next((held[n] for n in offered if n in held and held[n].shape == leaf.shape), None)
        at = at or _shortened(leaf, before, held)
        if at is None or at.path in taken:
            return None
        taken.add(at.path)
        found[leaf.name] = np.array(at.array(net))
    return found


VALUES = ("value", "data", "val", "v", "array", "tensor")
"""How an object that holds a parameter together with its gradient calls the parameter."""
IS_GRADIENT = re.compile(
    r"_*(d_?)(?P<behind>\w+)|_*(grad(ient)?s?_?)(?P<last>\w*)|(?P<first>\w*?)_?(grad(ient)?s?|diff)_*"
)


def _shortened(leaf: AnyLeaf, before: str, held: Mapping[str, Leaf]) -> Leaf | None:
    """Return what an object holds beside a parameter and calls its gradient by a shorter name.

    ``w_grad`` is that of ``weights``, ``dB`` that of ``bias``, and ``grad`` alone that of ``value``. Only one array of
    the parameter's shape may be called so.
    """
    short = bare(leaf.name).strip("_").lower()
    found = list[Leaf]()
    for name, one in held.items():
        holder, _, last = name.rpartition(".")
        match = IS_GRADIENT.fullmatch(last)
        if match is None or f"{holder}." * bool(holder) != before or one.shape != leaf.shape or one.path == leaf.path:
            continue
        kept = next((part for part in match.group("behind", "last", "first") if part), "").strip("_").lower()
        if (kept and short.startswith(kept)) or (not kept and short in VALUES):
            found.append(one)
    return found[0] if len(found) == 1 else None
