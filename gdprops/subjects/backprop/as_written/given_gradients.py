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


def gradients_of(returned: Any, net: Any, leaves: Sequence[AnyLeaf]) -> dict[str, Any] | None:
    """Return the gradients that a method returned, or stored in attributes, by the parameters' names."""
    shapes = {leaf.name: leaf.shape for leaf in leaves}
    return returned_gradients(returned, shapes) or _stored(net, leaves)


def returned_gradients(returned: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Return gradients by the parameters' names, from a dict, a sequence or a pair of lists."""
    if isinstance(returned, tuple) and len(returned) == 2 and _is_number(returned[0]) and not _is_number(returned[1]):
        returned = returned[1]  # (loss, gradients)
    if isinstance(returned, dict):
        return _from_dict(returned, shapes)
    if isinstance(returned, tuple | list):
        every = list(flat(returned))
        if _are_like(every, shapes):
            return dict(zip(shapes, every, strict=True))
        if len(every) == len(shapes) and len(returned) == 2:
            half = len(every) // 2
            for first, second in ((every[:half], every[half:]), (every[half:], every[:half])):
                turned = [v for pair in zip(first, second, strict=True) for v in pair]
                if _are_like(turned, shapes):
                    return dict(zip(shapes, turned, strict=True))
    return None


def _are_like(values: Sequence[Any], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Say whether values can be taken away from parameters of some shapes, one after the other."""
    if len(values) != len(shapes) or any(np.asarray(v).dtype.kind not in "fiu" for v in values):
        return False
    return all(map(can_spread, values, map(np.empty, shapes.values())))


def can_spread(value: Any, w: Array) -> bool:
    """Say whether a value can be taken away from an array in place: it has its shape, or is spread over it."""
    try:
        return bool(np.broadcast_shapes(np.shape(value), w.shape) == w.shape)
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


GRADIENT_NAMES = ("d{}", "d_{}", "grad_{}", "{}_grad", "grad{}", "D{}", "delta_{}", "nabla_{}", "{}_gradient", "dL_d{}")
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
