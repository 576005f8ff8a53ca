"""What weights contain, as numbers: two looks at a weight get one number where its compared entries are the same.

A look at all weights of a model is one concatenation and one comparison of bytes. Only where something has changed are
the parameters compared one by one: with what each contained before, and with the last few contents before that, to
rounding, so that a move that was made and undone (SAM, extragradient) gets the old number again.

Of tensors with more than ``limit`` entries a fixed share is compared, evenly spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, final

import torch
from torch.nn.parameter import UninitializedParameter

from gdprops.numerics.decisions import COMMON_FACTOR, SAME_CONTENT_ROUNDINGS

if TYPE_CHECKING:
    from torch import Tensor

REMEMBERED = 6
"""So many earlier contents of a parameter are recognized when they come back."""


BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The integers of as many bytes as an entry: equal as integers is equal in every bit, NaN included."""


@final
@dataclass(slots=True)
class _Known:
    """One parameter: the view of its compared entries, and its last contents as integers, the newest at the end."""

    pointer: int
    view: Tensor
    contents: list[tuple[int, Tensor]] = field(default_factory=list)
    shrunk: bool = False
    rounded: bool = False


@final
@dataclass(slots=True)
class _Group:
    """Parameters that are looked at together: their entries in one row, valid while nothing else has changed them."""

    bits: Tensor
    numbers: dict[int, int]
    stamp: int


@final
class Contents:
    """Numbers for what parameters contain."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[int, _Known] = {}
        self._groups: dict[tuple[int, ...], _Group] = {}
        self._next = 0
        self._changes = 0
        self.converted = False
        self._written: set[int] = set()

    def look(self, parameters: Sequence[tuple[int, Tensor]], *, after_step: bool = False) -> dict[int, int]:
        """Return the number of what each parameter contains now; parameters without plain entries are left out.

        ``after_step`` says that an optimizer has just moved them: what it leaves is new, and no return to anything.
        """
        views = {number: view for number, tensor in parameters if (view := self._view(number, tensor)) is not None}
        if not views:
            return {}
        bits = joined(list(views.values()))
        if bits is None:
            pieces = [joined([view]) for view in views.values()]
            return self._numbers(dict(zip(views, pieces, strict=True)), after_step=after_step)
        key = tuple(views)
        group = self._groups.get(key)
        if group is not None and group.stamp == self._changes and torch.equal(bits, group.bits):
            return group.numbers
        split = torch.split(bits, [view.numel() for view in views.values()])
        numbers = self._numbers(dict(zip(views, split, strict=True)), after_step=after_step)
        self._groups[key] = _Group(bits, numbers, self._changes)
        return numbers

    def digests(self, parameters: Sequence[tuple[int, Tensor]]) -> dict[int, str]:
        """Return a digest of what each parameter contained at the last look; shards of a tensor have none."""
        whole = [number for number, tensor in parameters if number in self._known and not hasattr(tensor, "to_local")]
        last = {number: self._known[number].contents[-1][1] for number in whole if self._known[number].contents}
        return {n: blake2b(bits.cpu().numpy().tobytes(), digest_size=8).hexdigest() for n, bits in last.items()}

    def entries(self, numbers: Iterable[int]) -> dict[int, Tensor]:
        """Return the compared entries of parameters as they were at the last look."""
        known = {number: self._known[number] for number in numbers if number in self._known}
        return {n: one.contents[-1][1].view(one.view.dtype) for n, one in known.items() if one.contents}

    def shrunk(self, numbers: Sequence[int]) -> frozenset[int]:
        """Return the parameters whose last change was a multiplication by one number a little below 1."""
        return frozenset(number for number in numbers if number in self._known and self._known[number].shrunk)

    def rounded(self, numbers: Sequence[int]) -> frozenset[int]:
        """Return the parameters whose last change was no more than rounding."""
        return frozenset(number for number in numbers if number in self._known and self._known[number].rounded)

    def writes(self) -> dict[int, tuple[Tensor, Tensor]]:
        """Return what parameters were and are that somebody has written to since this was last asked."""
        known = {number: self._known[number] for number in sorted(self._written)}
        self._written.clear()
        last = {n: [bits for _, bits in one.contents[-2:]] for n, one in known.items() if len(one.contents) > 1}
        alike = {n: pair for n, pair in last.items() if pair[0].dtype == pair[1].dtype}
        return {n: (old.view(known[n].view.dtype), new.view(known[n].view.dtype)) for n, (old, new) in alike.items()}

    def _view(self, number: int, tensor: Tensor) -> Tensor | None:
        known = self._known.get(number)
        if known is None and not is_plain(tensor):
            return None
        pointer = tensor.data_ptr()
        if known is not None and known.pointer == pointer and known.view.dtype == tensor.dtype:
            return known.view
        view = compared_entries(tensor, self._limit)
        if view is None:
            return None
        if known is None:
            self._known[number] = _Known(pointer, view)
        else:
            self.converted |= (known.view.dtype, known.view.device) != (view.dtype, view.device)
            known.pointer, known.view = pointer, view
        return view

    def _numbers(self, pieces: Mapping[int, Tensor | None], *, after_step: bool) -> dict[int, int]:
        found = {}
        for number, bits in pieces.items():
            known = self._known[number]
            if bits is None:
                continue
            if not known.contents or not same_bits(bits, known.contents[-1][1]):
                if known.contents and not after_step:
                    self._written.add(number)
                self._change(known, bits, after_step=after_step)
            found[number] = known.contents[-1][0]
        return found

    def _change(self, known: _Known, bits: Tensor, *, after_step: bool) -> None:
        before = None
        known.rounded = known.shrunk = False
        alike = [(number, old) for number, old in known.contents if old.dtype == bits.dtype]
        if alike and not after_step:
            dtype = known.view.dtype
            now, last = bits.view(dtype), alike[-1][1].view(dtype)
            known.rounded = nearly_same(now, last)
            known.shrunk = not known.rounded and is_multiple(now, last)
            earlier = () if known.rounded else reversed(alike[:-1])
            before = next((number for number, old in earlier if nearly_same(now, old.view(dtype))), None)
        self._next += before is None
        known.contents.append((self._next if before is None else before, bits))
        del known.contents[:-REMEMBERED]
        self._changes += 1


def compared_entries(tensor: Tensor, limit: int) -> Tensor | None:
    """Return a view of the entries of a tensor that are compared, in a row; None for tensors without plain entries."""
    if not is_plain(tensor):
        return None
    flat = tensor.detach()
    if hasattr(flat, "to_local"):
        flat = flat.to_local()
    if flat.is_complex():
        flat = torch.view_as_real(flat)
    count = flat.numel()
    stride = max(1, count // limit) | 1 if count > limit else 1
    if flat.is_contiguous():
        return flat.view(-1)[::stride] if stride > 1 else flat.view(-1)
    return flat.as_strided((-(-count // stride),), (stride,), flat.storage_offset()) if is_dense(flat) else None


def is_plain(tensor: Tensor) -> bool:
    """Say whether a tensor has entries of its own in memory that can be read."""
    return (
        tensor.layout is torch.strided
        and tensor.device.type != "meta"
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
        and not isinstance(tensor, UninitializedParameter)
    )


def is_dense(tensor: Tensor) -> bool:
    """Say whether the entries of a tensor fill its memory without gaps, in some order."""
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1 and stride != expected:
            return False
        expected *= size
    return True


def joined(views: list[Tensor]) -> Tensor | None:
    """Return a copy of the entries of several tensors in one row, as integers; None where they are of several kinds."""
    first = views[0]
    if any(view.dtype != first.dtype or view.device != first.device for view in views[1:]):
        return None
    return torch.cat(views).view(BITS[first.element_size()])


def same_bits(left: Tensor, right: Tensor) -> bool:
    """Say whether two rows of integers are equal."""
    return (
        left.shape == right.shape
        and left.dtype == right.dtype
        and left.device == right.device
        and torch.equal(left, right)
    )


def _comparable(left: Tensor, right: Tensor) -> bool:
    return left.shape == right.shape and left.dtype == right.dtype and left.device == right.device and left.numel() > 0


def nearly_same(left: Tensor, right: Tensor) -> bool:
    """Say whether two rows are the same up to a few roundings of their largest entry."""
    if not _comparable(left, right):
        return False
    size = max(float(left.abs().max()), float(right.abs().max()))
    off = float((left.double() - right.double()).abs().max())
    return off <= SAME_CONTENT_ROUNDINGS * torch.finfo(left.dtype).eps * size


def is_multiple(now: Tensor, before: Tensor) -> bool:
    """Say whether a row is the earlier one times one number a little below 1, as a decay that is written out leaves."""
    if not _comparable(now, before):
        return False
    old, new = before.double(), now.double()
    squared = float(old @ old)
    if not squared:
        return False
    factor = float(new @ old) / squared
    off = float((new - factor * old).abs().max())
    rounding = SAME_CONTENT_ROUNDINGS * torch.finfo(now.dtype).eps * float(old.abs().max())
    return COMMON_FACTOR <= factor < 1 and off <= rounding
