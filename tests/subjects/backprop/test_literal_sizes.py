"""Which numbers of a file are sizes, and become small ones: those that bound, divide or are compared do not."""

from __future__ import annotations

import ast

import pytest

from gdprops.subjects.backprop.as_written.literal_sizes import shrunk


def changed(text: str) -> str:
    return "\n".join(map(ast.unparse, shrunk(ast.parse(text).body)))


@pytest.mark.parametrize(
    ("text", "small"),
    [
        ("W = randn(784, 128)\nb = zeros(128)", "W = randn(3, 4)\nb = zeros(4)"),
        ("W = randn(784, 4)\nz = np.clip(z, -500, 500)", "W = randn(3, 4)\nz = np.clip(z, -500, 500)"),
        ("W = zeros((64, 2))\nx = x / 255 + 2 ** 16 % 50", "W = zeros((3, 2))\nx = x / 255 + 2 ** 16 % 50"),
        ("W = np.full((64, 2), 10)", "W = np.full((3, 2), 10)"),
        ("big = z > 30\nW = zeros(2)", "big = z > 30\nW = zeros(2)"),
        (
            "W = zeros(10)\nif y.shape[1] == 10 and k < 99:\n    pass",
            "W = zeros(3)\nif y.shape[1] == 3 and k < 99:\n    pass",
        ),
    ],
)
def test_sizes_become_small_and_nothing_else_does(text: str, small: str) -> None:
    assert changed(text) == small


def test_the_same_number_is_the_same_in_several_texts() -> None:
    given = dict[int, int]()
    shrunk(ast.parse("a = zeros(784)").body, given)
    assert ast.unparse(shrunk(ast.parse("b = ones((10, 784))").body, given)[0]) == "b = ones((4, 3))"
