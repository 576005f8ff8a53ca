"""JAX's own gradients of our networks: one padded network stands for every network, so that JAX compiles it once.

A compilation costs about a second for every new shape. So tensors are padded with zeros to one shape, and what
distinguishes networks (which tensor stands where, activations, ties, the loss) is data of one compiled function. The
compiled function can also run eagerly, operation by operation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.numerics.activations import ACTIVATIONS, LEAK
from gdprops.numerics.losses import LOSSES
from gdprops.numerics.numpy_system import Looking
from gdprops.subjects.frameworks.jax_padding import Encoded, Tower, encode, places_of, room_for, stacked, unpadded
from gdprops.subjects.frameworks.jax_precision import in_double

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import Block
    from gdprops.model.network import Point

WEIGHTS = 128
FAR_BELOW = -1e30
"""The logit of a class that exists only through padding."""

TRACED = Counter[str]()
"""How often each function was traced, that is, compiled."""


@final
class JaxGradients(Looking):
    """Computes gradients with JAX: reverse mode by ``jax.grad`` and ``jax.vjp``, forward mode by ``jax.jvp``.

    ``eager``: fresh forward passes run operation by operation, a hundred times slower than compiled ones.
    """

    name = "jax.grad"

    def __init__(self, *, eager: bool = False) -> None:
        super().__init__()
        self._eager = eager

    def loss(self, point: Point) -> float:
        """Return the loss J at the point."""
        return float(_run("loss", stacked(point, point.tensors), encode(point)))

    def gradient(self, point: Point) -> list[Array | None]:
        """Return the gradients of all tensors at once; None for a frozen tensor, zeros for an unused one."""
        found = _run("gradient", stacked(point, point.tensors), encode(point))
        return [unpadded(g, w) if t else None for g, w, t in _with(point, found)]

    def block_by_block(self, point: Point, order: Sequence[int], *, retained: bool) -> list[Array | None]:
        """Return the gradients one tensor after the other: from one pullback (``retained``), or from fresh passes."""
        stack, encoded = stacked(point, point.tensors), encode(point)
        kept = _run("pullback", stack, encoded) if retained else None
        found: list[Array | None] = [None] * len(point.tensors)
        for i in order:
            g = _run("pulled", kept, i) if retained else _run("single", stack, encoded, i, eager=self._eager)
            found[i] = unpadded(np.asarray(g), point.tensors[i])
        return found

    def directional(self, point: Point, direction: Sequence[Array]) -> float:
        """Return the derivative of J along a direction, in forward mode."""
        along = stacked(point, direction)
        return float(_run("directional", stacked(point, point.tensors), encode(point), along))

    def regrouped(self, point: Point, partition: Sequence[Block]) -> Array:
        """Return the flat gradient, computed with respect to one row of leaves for each block."""
        stack, places = stacked(point, point.tensors), places_of(point)
        room = room_for(WEIGHTS, max(len(places), *map(len, partition), 1))
        leaves = np.zeros((room, room), stack.dtype)
        row, column = np.full(stack.size, -1), np.zeros(stack.size, int)
        for k, block in enumerate(partition):
            here = places[list(block)]
            leaves[k, : len(block)] = stack.ravel()[here]
            row[here], column[here] = k, np.arange(len(block))
        found = np.asarray(_run("regrouped", leaves, stack, encode(point), row, column))
        return np.asarray(found[row[places], column[places]])


def _run(name: str, *given: Any, eager: bool = False) -> Any:
    """Call a compiled function by name, in float64 where its arguments are float64, and return its result as arrays."""
    import jax

    with in_double(), jax.disable_jit() if eager else nullcontext():
        found = _functions()[name](*jax.tree.map(jax.numpy.asarray, given))
        return found if name == "pullback" else np.asarray(found)


@cache
def _functions() -> dict[str, Callable[..., Any]]:
    """Return the functions that JAX compiles; each is traced once for each precision."""
    import jax

    def single(stack: Any, net: Encoded, i: Any) -> Any:
        return jax.grad(lambda w: _loss(stack.at[i].set(w), net))(stack[i])

    def pullback(stack: Any, net: Encoded) -> Any:
        return jax.vjp(lambda s: _loss(s, net), stack)

    def pulled(kept: Any, i: Any) -> Any:
        loss, back = kept
        return back(loss * 0 + 1)[0][i]

    def directional(stack: Any, net: Encoded, along: Any) -> Any:
        return jax.jvp(lambda s: _loss(s, net), (stack,), (along,))[1]

    def assembled(leaves: Any, stack: Any, net: Encoded, row: Any, column: Any) -> Any:
        import jax.numpy as jnp

        whole = jnp.where(row >= 0, leaves[row, column], stack.ravel())
        return _loss(whole.reshape(stack.shape), net)

    made = {
        "loss": _loss,
        "gradient": jax.grad(_loss),
        "single": single,
        "pullback": pullback,
        "pulled": pulled,
        "directional": directional,
        "regrouped": jax.grad(assembled),
    }
    return {name: jax.jit(_counted(name, function)) for name, function in made.items()}


def _counted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def traced(*given: Any) -> Any:
        import jax

        TRACED[name] += not jax.config.jax_disable_jit
        return function(*given)

    return traced


def _loss(stack: Any, net: Encoded) -> Any:
    """Return J of the padded network: the sum over its towers."""
    import jax

    return jax.lax.map(lambda tower: _tower_loss(stack, net, tower), net.towers).sum()


def _tower_loss(stack: Any, net: Encoded, tower: Tower) -> Any:
    import jax
    import jax.numpy as jnp

    def through(h: Any, layer: Any) -> tuple[Any, None]:
        weight, bias, activation, residual, there, out = layer
        z = h @ stack[weight].T + jnp.where(bias >= 0, stack[bias][0], 0)
        reached = jax.lax.switch(activation, _activations(), z) * out + residual * h
        return jnp.where(there, reached, h), None

    layers = (tower.weight, tower.bias, tower.activation, tower.residual, tower.there, tower.out)
    h, _ = jax.lax.scan(through, net.inputs, layers)
    scaled = h * jnp.where(net.scale >= 0, stack[net.scale, 0, 0], 1)
    entries = net.rows[:, None] * tower.columns
    return jax.lax.switch(net.loss, _losses(), scaled, tower, entries) * tower.share


def _activations() -> list[Callable[[Any], Any]]:
    import jax
    import jax.numpy as jnp

    functions = {
        "identity": lambda z: z,
        "relu": jax.nn.relu,
        "leaky-relu": lambda z: jax.nn.leaky_relu(z, LEAK),
        "square": jnp.square,
        "tanh": jnp.tanh,
        "sigmoid": jax.nn.sigmoid,
    }
    return [functions[name] for name in ACTIVATIONS]


def _losses() -> list[Callable[[Any, Tower, Any], Any]]:
    import jax
    import jax.numpy as jnp

    def squares(out: Any, tower: Tower, entries: Any) -> Any:
        return (jnp.square(out - tower.targets) * entries).sum()

    def binary(out: Any, tower: Tower, entries: Any) -> Any:
        y = tower.targets
        return -((y * jax.nn.log_sigmoid(out) + (1 - y) * jax.nn.log_sigmoid(-out)) * entries).sum()

    def classes(out: Any, tower: Tower, entries: Any) -> Any:
        shares = jax.nn.log_softmax(jnp.where(tower.columns > 0, out, FAR_BELOW))
        return -(jnp.take_along_axis(shares, tower.labels[:, None], axis=1) * entries[:, :1]).sum()

    functions = {"half-sse": squares, "mse": squares, "bce": binary, "cross-entropy": classes}
    return [functions[name] for name in LOSSES]


def _with(point: Point, found: Array) -> Any:
    return zip(found[: len(point.tensors)], point.tensors, point.network.trainable, strict=True)
