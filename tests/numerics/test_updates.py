"""The two ways to move, against literal loops; Gauss-Seidel and Jacobi."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gdprops.model.arrays import Array
from gdprops.numerics import decisions
from gdprops.numerics.rational import rational
from gdprops.numerics.updates import (
    Gradient,
    ordered,
    rates_by_depth,
    simultaneous_step,
    sweep,
    sweep_displacements,
    trust_ratios,
)

Weights = list[Fraction]


def quadratic(n: int, seed: int) -> tuple[Array, Array, Gradient]:
    """Return a symmetric positive definite H, b, and the gradient H w - b of ½ wᵀH w - bᵀw, in fractions."""
    rng = np.random.default_rng(seed)
    A = rational(rng.integers(-3, 4, (n, n)).astype(float))
    H, b = A.T @ A + np.diag([Fraction(1)] * n), rational(rng.integers(-5, 6, n).astype(float))
    return H, b, lambda w: H @ w - b


def literal_sweep(H: Array, b: Array, w: Weights, blocks: list[list[int]], rate: Fraction) -> Weights:
    """Move one block after the other, each along a gradient taken anew, as the definition has it."""
    v = list(w)
    for block in blocks:
        slopes = {i: sum(H[i][j] * v[j] for j in range(len(v))) - b[i] for i in block}
        for i in block:
            v[i] = v[i] - rate * slopes[i]
    return v


def literal_step(H: Array, b: Array, w: Weights, rate: Fraction) -> Weights:
    """Move every weight along slopes that were all taken before any weight moved."""
    slopes = [sum(H[i][j] * w[j] for j in range(len(w))) - b[i] for i in range(len(w))]
    return [w[i] - rate * slopes[i] for i in range(len(w))]


@given(st.integers(1, 5), st.integers(0, 10**6), st.data())
def test_both_are_the_literal_loops(n: int, seed: int, data: st.DataObject) -> None:
    H, b, gradient = quadratic(n, seed)
    w, rate = rational(np.arange(1.0, n + 1)), Fraction(1, 8)
    order = data.draw(st.permutations(range(n)))
    cut = data.draw(st.integers(0, n))
    blocks = [block for block in (order[:cut], order[cut:]) if block]
    expected = literal_sweep(H, b, list(w), blocks, rate)
    assert sweep(gradient, w, [tuple(block) for block in blocks], rate).tolist() == expected
    assert simultaneous_step(gradient, w, rate).tolist() == literal_step(H, b, list(w), rate)
    assert w.tolist() == [Fraction(k + 1) for k in range(n)], "the weights that were handed in are left alone"


@pytest.mark.parametrize("seed", range(10))
def test_one_block_is_the_simultaneous_step_and_the_displacements_are_the_difference(seed: int) -> None:
    H, b, gradient = quadratic(4, seed)
    w, rate = rational(np.array([1.0, -2.0, 0.5, 3.0])), Fraction(1, 4)
    stepped = simultaneous_step(gradient, w, rate)
    assert (sweep(gradient, w, [(0, 1, 2, 3)], rate) == stepped).all()
    blocks = [(2,), (0, 3), (1,)]
    apart = sweep(gradient, w, blocks, rate) - stepped
    assert (sweep_displacements(gradient, w, blocks, rate) == apart).all()
    assert apart[2] == 0, "the first block agrees"
    assert b.any()
    assert H.any()


@pytest.mark.parametrize("seed", range(10))
def test_with_a_rate_of_one_over_the_diagonal_they_are_gauss_seidel_and_jacobi(seed: int) -> None:
    """Golub and Van Loan, section 11.2: x_i = (b_i - sum of H_ij x_j over j ≠ i) / H_ii."""
    H, b, gradient = quadratic(4, seed)
    w = rational(np.array([1.0, 2.0, -1.0, 0.5]))
    rates = np.array([1 / H[i, i] for i in range(4)], dtype=object)
    jacobi = [(b[i] - sum(H[i, j] * w[j] for j in range(4) if j != i)) / H[i, i] for i in range(4)]
    seidel = list(w)
    for i in (3, 0, 2, 1):
        seidel[i] = (b[i] - sum(H[i, j] * seidel[j] for j in range(4) if j != i)) / H[i, i]
    assert simultaneous_step(gradient, w, rates).tolist() == jacobi
    assert sweep(gradient, w, [(3,), (0,), (2,), (1,)], rates).tolist() == seidel


def test_the_counterexample_of_the_specification() -> None:
    """1→1→1, w = (1, 1), x = 1, y = 0, η = ½: the step ends at (½, ½), the forward sweep at (½, ⅞)."""

    def gradient(w: Array) -> Array:
        residual = w[0] * w[1]
        return np.array([residual * w[1], residual * w[0]])

    w = np.ones(2)
    assert simultaneous_step(gradient, w, 0.5).tolist() == [0.5, 0.5]
    assert sweep(gradient, w, [(0,), (1,)], 0.5).tolist() == [0.5, 0.875]
    assert sweep(gradient, w, [(1,), (0,)], 0.5).tolist() == [0.875, 0.5]


def test_a_sweep_looks_once_for_every_block_and_a_step_once() -> None:
    looks = []

    def gradient(w: Array) -> Array:
        looks.append(w.copy())
        return w

    sweep(gradient, np.ones(3), [(0,), (1, 2)], 0.5)
    assert [look.tolist() for look in looks] == [[1, 1, 1], [0.5, 1, 1]]
    simultaneous_step(gradient, np.ones(3), 0.5)
    assert len(looks) == 3


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), "abcd"),
        ((0,), "abcd"),
        ((3, 2, 1, 0), "dcba"),
        ((1, 0), "bdac"),
        ((5, 5, 0, 9), "cabd"),
    ],
)
def test_blocks_are_visited_in_the_order_of_their_keys(keys: tuple[int, ...], expected: str) -> None:
    blocks = tuple((ord(letter),) for letter in "abcd")
    assert "".join(chr(block[0]) for block in ordered(blocks, keys)) == expected


def test_trust_ratios_are_dyadic_one_per_block_and_one_where_a_norm_is_zero() -> None:
    w = np.array([3.0, 4.0, 0.0, 0.0, 1.0, 1e9])
    g = np.array([0.0, 10.0, 1.0, 1.0, 0.0, 1e-3])
    rates = trust_ratios(w, g, [(0, 1), (2, 3), (4,), (5,)], 0.5)
    assert rates.tolist() == [0.25, 0.25, 0.5, 0.5, 0.5, 0.5 * decisions.TRUST_MOST]


def test_trust_ratios_keep_a_few_bits_however_small_they_are() -> None:
    for slope in (3.0, 3e6):
        third = trust_ratios(np.array([1.0]), np.array([slope]), [(0,)], 1.0)[0]
        mantissa, _ = np.frexp(third)
        assert float(np.ldexp(mantissa, decisions.TRUST_BITS)).is_integer()
        assert abs(third * slope - 1) <= 2.0**-decisions.TRUST_BITS


def test_a_rate_is_halved_from_layer_to_layer() -> None:
    assert rates_by_depth(4, [(0, 2), (1,), (3,)], 0.5).tolist() == [0.5, 0.25, 0.5, 0.125]
