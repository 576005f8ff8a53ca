"""Thresholds: the count of decisive examples, and that every number has its reason."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest

from gdprops.numerics import decisions
from gdprops.numerics.decisions import FORMATS, decisive_needed, unit


@pytest.mark.parametrize(
    ("examples", "needed"),
    [(0, 0), (1, 1), (4, 4), (5, 5), (6, 5), (20, 5), (21, 6), (24, 6), (25, 7), (100, 25), (1000, 250)],
)
def test_a_quarter_must_be_decisive_and_at_least_five(examples: int, needed: int) -> None:
    assert decisive_needed(examples) == needed
    assert decisive_needed(examples) == max(min(5, examples), math.ceil(examples / 4))


@pytest.mark.parametrize(("precision", "dtype"), [(53, np.float64), (24, np.float32)])
def test_the_formats_are_those_of_ieee_754(precision: int, dtype: type) -> None:
    info, form = np.finfo(dtype), FORMATS[precision]
    assert unit(precision) == form.unit == float(info.eps) / 2
    assert math.ldexp(1.0, form.smallest) == float(info.smallest_subnormal)
    assert float(info.max) / 2 < math.ldexp(1.0, form.largest) <= float(info.max)


def test_every_threshold_has_its_reason_beside_it() -> None:
    """A comment stands above every constant or group of constants, or a docstring below it."""
    text = Path(decisions.__file__).read_text(encoding="utf-8")
    lines = ["", *text.splitlines(), ""]
    constants = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    ends = {node.end_lineno for node in constants}
    assert len(constants) > 25
    for node in constants[2:]:  # the formats explain themselves
        above, below = lines[node.lineno - 1], lines[(node.end_lineno or 0) + 1]
        assert above.startswith("#") or below.startswith('"""') or node.lineno - 1 in ends, lines[node.lineno]
