"""Layers over images: convolutions, pooling and what flattens, tried with small images in each order of their axes.

``Conv2D(in_channels, out_channels, kernel_size)``, ``Convolutional(input_shape, kernel_size, depth)``, ``MaxPool(2)``:
what the constructor gets is told by its names. An image is one row of numbers to everything else, as any sample is.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from gdprops.subjects.backprop.as_written.calls import takes
from gdprops.subjects.backprop.as_written.constructors import Constructor
from gdprops.subjects.backprop.as_written.data_forms import DataForm
from gdprops.subjects.backprop.as_written.layer_object import Layer, layer_of
from gdprops.subjects.backprop.as_written.roles import Role, role_of

CHANNELS, FILTERS, POOL = 2, 3, 2
KERNELS = {3: (2,), 4: (3, 2)}
"""By the height and width of the images: the sizes of a kernel. Pools need an even height."""
MOST_ROWS = 2
"""More images show nothing more, and take longer."""


def _images(told: str, shape: tuple[int, ...], what: str = "image") -> DataForm:
    code = "{}.reshape" + str((-1, *shape))
    return DataForm(f"{what}s as {told}", lambda a: np.reshape(a, (-1, *shape)).copy(), code, shape=shape)


def _image(told: str, shape: tuple[int, ...], what: str = "image") -> DataForm:
    code = "{}.reshape" + str(shape)
    return DataForm(
        f"one {what} at a time, as {told}", lambda a: np.reshape(a[0], shape).copy(), code, True, shape=shape
    )


OF_ONE_DIMENSION = re.compile(r"\w*(1d|one_?d(im)?|temporal|time_?series)\w*", re.IGNORECASE)
"""The names of layers that slide over a signal, and not over an image: three axes of an image would fit them too."""


def _forms(found: type, side: int) -> tuple[DataForm, ...]:
    if OF_ONE_DIMENSION.fullmatch(found.__name__):
        return (
            _images("(rows, channels, length)", (CHANNELS, side), "signal"),
            _images("(rows, length, channels)", (side, CHANNELS), "signal"),
            _image("(channels, length)", (CHANNELS, side), "signal"),
            _image("(length, channels)", (side, CHANNELS), "signal"),
            _images("(rows, length)", (side,), "signal"),
            _image("(length)", (side,), "signal"),
        )
    return (
        _images("(rows, channels, height, width)", (CHANNELS, side, side)),
        _images("(rows, height, width, channels)", (side, side, CHANNELS)),
        _image("(channels, height, width)", (CHANNELS, side, side)),
        _image("(height, width, channels)", (side, side, CHANNELS)),
        _image("(height, width)", (side, side)),
        _images("(rows, height, width)", (side, side)),
    )


SHAPE = re.compile(r"(in(put)?|image|img)_?(shape|size|dims?)|shape")
IN = re.compile(r"(in|input|prev)_?(ch\w*|depth|c|planes|maps|filters)|(n_?|num_?)?channels?(_in)?|c_?in|n_c_prev|d_in")
OUT = re.compile(
    r"(out|output)_?(ch\w*|depth|c|planes|maps|filters)|(n_?|num_?|no_of_|number_of_)?(filters?|kernels)|"
    r"(filters?|kernels?)_?(num|n|count|number)|c_?out|n_c|d_out"
)
SIZE = re.compile(r"(kernel|filter|pool|pooling|window|patch)_?(size|shape|dims?)?|size|k|f|[kf]_?size")
ONE_SIZE = re.compile(r"(kernel|filter|pool|pooling|window|patch|[kf])_?(width|height|h|w|length)")
STRIDE = re.compile(r"strides?|s")
PADDING = re.compile(r"pad(ding)?s?|p")


def image_layer_of(found: type) -> Layer | None:
    """Return the first way to make a layer and to use it on images; None where none works."""
    for side in KERNELS:
        for form in _forms(found, side):
            layer = layer_of(found, {}, list(_makings(found, form, side)), (form,))
            if layer is not None:
                return layer
    return None


def _makings(found: type, form: DataForm, side: int) -> Iterator[Constructor]:
    """Yield the ways to make a layer for images of a form: the size of its kernel is one number, or two."""
    needed = [p for p in takes(found.__init__) if p.default is p.empty and p.kind is not p.VAR_KEYWORD]  # type: ignore[misc] # of this very class
    pools = not any(OUT.fullmatch(_plain(p.name)) for p in takes(found.__init__))  # type: ignore[misc] # likewise
    seen = list[tuple[tuple[str, Any], ...]]()
    sizes = KERNELS[side] if not pools else () if side % POOL else (POOL,)
    for size in sizes:
        for given in (size, (size, size)):
            values = tuple((p.name, _value(p, form, given, needed)) for p in needed)
            if values not in seen and all(value is not None for _, value in values):
                seen.append(values)
                yield Constructor((), values)


def _plain(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower().strip("_")


def _value(p: inspect.Parameter, form: DataForm, size: Any, needed: list[inspect.Parameter]) -> Any:
    """Return what an argument gets by its name; None where the name does not tell."""
    name, side = _plain(p.name), size if isinstance(size, int) else size[0]
    channels = CHANNELS if CHANNELS in form.shape else 1
    has_shape = any(SHAPE.fullmatch(_plain(one.name)) for one in needed)
    known: tuple[tuple[re.Pattern[str], Any], ...] = (
        (SHAPE, form.shape),
        (re.compile("depth"), FILTERS if has_shape else channels),  # of the output, where the input has a shape
        (IN, channels),
        (OUT, FILTERS),
        (SIZE, size),
        (ONE_SIZE, side),
        (STRIDE, 1 if any(OUT.fullmatch(_plain(one.name)) for one in needed) else POOL),
        (PADDING, 0),
        (re.compile("name|label"), p.name),
        (re.compile(".*"), 0.25 if role_of(p.name) is Role.RATE else None),
    )
    return next(value for pattern, value in known if pattern.fullmatch(name))
