"""Encode cases as JSON data and decode them. Only data of known types is decoded, never code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from gdprops.errors import UsageError
from gdprops.model.architecture import Architecture, ArchitectureCase, Block
from gdprops.model.case import BackpropCase, LookCase, OwnCase, Plan, RanksCase, Regime, TrainCase, UpdateCase
from gdprops.model.network import Batch, Layer, Network, Point

_CASES = (ArchitectureCase, BackpropCase, LookCase, OwnCase, RanksCase, TrainCase, UpdateCase)
_TYPES = {t.__name__: t for t in (*_CASES, Plan, Architecture, Block, Network, Layer, Batch, Point)}
MOST_BITS = 64
"""The most bits of a whole number in a case, and the most significant bits of a number format in it."""
_FLOATS = {"tensors", "gradients"}
"""The fields of a case that hold weights or their gradients."""
_DTYPES = ("float64", "float32", "int64", "int32", "bool")


def encode(value: Any) -> Any:
    """Return plain JSON data for a case or any part of one."""
    if is_dataclass(value):
        inside = {f.name: encode(getattr(value, f.name)) for f in fields(value)}
        return {"type": type(value).__name__, **inside}
    if isinstance(value, np.ndarray | np.generic):
        value = np.asarray(value)
        order = "F" if value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous else "C"
        numbers = [encode(v) for v in value.ravel().tolist()]
        return {"array": numbers, "dtype": str(value.dtype), "shape": list(value.shape), "order": order}
    if isinstance(value, Mapping):
        return {"map": {str(key): encode(v) for key, v in value.items()}}
    if isinstance(value, frozenset):
        return {"set": sorted(value)}
    if isinstance(value, (tuple, list)):
        return [encode(v) for v in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Regime):
        return {"regime": value.value}
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if not isinstance(value, str | int | float | None):
        return _foreign(value)
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _foreign(value: Any) -> Any:
    """Return a tensor as an array; any other object as the name of its type, which cannot be decoded."""
    try:
        return encode(value.detach().numpy())
    except (AttributeError, TypeError, RuntimeError):
        return {"foreign": type(value).__name__}


def decode(data: Any) -> Any:
    """Return the value that `encode` encoded. Raises `UsageError` for data that `encode` cannot have written."""
    try:
        return _decode(data)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"the saved case is damaged: {type(error).__name__}: {error}") from error


def _decode(data: Any) -> Any:
    if isinstance(data, list):
        return tuple(_decode(v) for v in data)
    if not isinstance(data, dict):
        return _decode_number(data)
    if "type" in data:
        inside = {key: _decode(v) for key, v in data.items() if key != "type"}
        if not 1 <= inside.get("precision", 1) <= MOST_BITS:
            raise ValueError(f"precision {inside['precision']!r}")
        for key in _FLOATS & inside.keys():
            _require_floats(key, inside[key])
        return _TYPES[data["type"]](**inside)
    if "array" in data:
        return _array(data)
    return _decode_scalar(data)


def _require_floats(key: str, value: Any) -> None:
    """Raise `ValueError` for weights or gradients that are whole numbers or truth values: no step could move them."""
    for part in value if isinstance(value, tuple) else (value,):
        if isinstance(part, tuple):
            _require_floats(key, part)
        elif isinstance(part, np.ndarray) and part.dtype.kind != "f":
            raise ValueError(f"{key} of dtype {part.dtype}, expected float64 or float32")


def _decode_number(data: Any) -> Any:
    if isinstance(data, int) and abs(data) >= 2**MOST_BITS:
        raise ValueError("a whole number larger than any in a case")
    return float(data) if data in ("nan", "inf", "-inf") else data


def _decode_scalar(data: dict[str, Any]) -> Any:
    if "foreign" in data:
        raise UsageError(f"the saved case holds a {data['foreign']} that a strategy has drawn: it cannot be replayed")
    if "bytes" in data:
        return bytes.fromhex(data["bytes"])
    if "regime" in data:
        return Regime(data["regime"])
    return frozenset(data["set"]) if "set" in data else {key: _decode(v) for key, v in data["map"].items()}


def _array(data: dict[str, Any]) -> Any:
    if data["dtype"] not in _DTYPES:
        raise ValueError(f"dtype {data['dtype']!r}")
    flat = np.array([_decode(v) for v in data["array"]], dtype=data["dtype"])
    return np.array(flat.reshape(data["shape"]), order=data["order"])
