"""Any ``optax.GradientTransformation`` as an update rule ``(params, grads, state) -> (params, state)``.

A compilation costs about a second for every new shape. So tensors are flattened and padded with zeros to one shape, and
numbers among the hyperparameters are traced: one compilation serves nearly all cases. Where padding changes what a
transformation does, because it looks at shapes, the transformation runs eagerly on the tensors as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from gdprops.errors import Unsupported, UsageError, text_of
from gdprops.model.arrays import Array
from gdprops.model.traits import Measured
from gdprops.model.wording import type_of
from gdprops.subjects.frameworks.jax_precision import in_double
from gdprops.subjects.update_rule.subject import UpdateRule
from gdprops.subjects.user_code.signatures import signature_of_rule

SLOTS, ENTRIES = 16, 64
WIDTHS = ("float64", "float32")
SHAPES = ((2, 3), (3, 2), (3,), ())
Tree = dict[str, Any]
Factory = Callable[..., Any]

PRELUDE = """import jax
import numpy as np
import optax
jax.config.update("jax_enable_x64", True)

def update(params, grads, state, **options):
    transformation = {factory}(**options)
    state = transformation.init(params) if state is None else state
    updates, state = transformation.update(grads, state, params)
    return optax.apply_updates(params, updates), state
"""


@final
@dataclass(slots=True)
class Kept:
    """A transformation's state, and which slot holds which tensor; ``slots`` is empty where nothing is padded."""

    state: Any
    slots: Mapping[str, str]


@final
class OptaxRule:
    """``(params, grads, state, **hyperparameters) -> (params, state)`` by a factory of optax transformations.

    ``compilations`` counts how often the padded step was traced.
    """

    def __init__(self, factory: Factory) -> None:
        self.factory, self.compilations = factory, 0
        self.__signature__ = signature_of_rule(factory)
        self._compiled: dict[Any, Any] = {}
        self._pads: bool | None = None

    def __deepcopy__(self, memo: Any) -> OptaxRule:
        """Return this rule: it has no state of its own."""
        return self

    def __call__(self, params: Tree, grads: Tree, state: Kept | None, **given: Any) -> tuple[Tree, Kept]:
        """Take one step. Raises `Unsupported` where a tensor has no gradient."""
        if set(grads) != set(params):
            raise Unsupported("optax needs a gradient for every tensor: jax.grad gives zeros for an unused one")
        with in_double():
            if self._pads is None:
                self._pads = self._looks_at_no_shape(given)
            return self._padded(params, grads, state, given) if self._pads else self._eager(params, grads, state, given)

    def _eager(self, params: Tree, grads: Tree, kept: Kept | None, given: Mapping[str, Any]) -> tuple[Tree, Kept]:
        import optax

        transformation = self.factory(**given)
        state = transformation.init(params) if kept is None else kept.state
        updates, state = transformation.update(grads, state, params)
        moved = optax.apply_updates(params, updates)
        return {name: np.asarray(w) for name, w in moved.items()}, Kept(state, {})

    def _padded(self, params: Tree, grads: Tree, kept: Kept | None, given: Mapping[str, Any]) -> tuple[Tree, Kept]:
        slots = _slots(params) if kept is None else kept.slots
        entries = max(ENTRIES, *(1 << (w.size - 1).bit_length() for w in params.values() if w.size), 1)
        begin, move = self._steps(given, len(slots), entries)
        numbers = {k: v for k, v in given.items() if _is_traced(v)}
        weights = _filled(params, slots, entries)
        state = begin(weights, numbers) if kept is None else kept.state
        moved, state = move(weights, _filled(grads, slots, entries), state, numbers)
        found = {n: np.asarray(moved[slots[n]])[: w.size].reshape(w.shape).copy() for n, w in params.items()}
        return found, Kept(state, slots)

    def _steps(self, given: Mapping[str, Any], count: int, entries: int) -> tuple[Any, Any]:
        """Return the compiled functions that begin a run and take a step.

        They are compiled anew for other hyperparameters that JAX cannot trace (anything but floats), and for other
        sizes.
        """
        fixed = {k: v for k, v in given.items() if not _is_traced(v)}
        key = (repr(sorted(fixed.items())), tuple(sorted(set(given) - set(fixed))), count // SLOTS, entries)
        if key not in self._compiled:
            self._compiled[key] = self._compile(fixed)
        begin, move = self._compiled[key]
        return begin, move

    def _compile(self, fixed: Mapping[str, Any]) -> tuple[Any, Any]:
        import jax
        import optax

        def begin(weights: Tree, numbers: Tree) -> Any:
            return self.factory(**fixed, **numbers).init(weights)

        def move(weights: Tree, gradients: Tree, state: Any, numbers: Tree) -> Any:
            self.compilations += 1
            updates, state = self.factory(**fixed, **numbers).update(gradients, state, weights)
            return optax.apply_updates(weights, updates), state

        return jax.jit(begin), jax.jit(move)

    def _looks_at_no_shape(self, given: Mapping[str, Any]) -> bool:
        """Say whether two steps on padded tensors give what two steps on the tensors as they are give."""
        params = {f"w{i}": np.cos(np.arange(1.0, np.prod(s) + 1)).reshape(s) for i, s in enumerate(SHAPES)}
        try:
            plain, _ = self._twice(self._eager, params, given)
            padded, _ = self._twice(self._padded, params, given)
        except Exception:  # a transformation may raise anything under tracing: then it runs eagerly
            return False
        return all(np.allclose(plain[n], padded[n], rtol=1e-12, atol=0) for n in params)

    @staticmethod
    def _twice(step: Any, params: Tree, given: Mapping[str, Any]) -> tuple[Tree, Kept]:
        moved, kept = step(params, params, None, given)
        found: tuple[Tree, Kept] = step(moved, {name: w - 0.3 for name, w in params.items()}, kept, given)
        return found


def _is_traced(value: Any) -> bool:
    return isinstance(value, float)


def _slots(params: Tree) -> dict[str, str]:
    """Give every tensor a slot of its own dtype."""
    taken = dict.fromkeys(WIDTHS, 0)
    slots = {}
    for name, w in params.items():
        width = str(w.dtype)
        slots[name] = f"{width}-{taken[width]:03d}"
        taken[width] += 1
    return slots


def _filled(tensors: Tree, slots: Mapping[str, str], entries: int) -> Tree:
    """Return all slots of both dtypes, filled with their tensors and zeros; there are at least sixteen of each."""
    most = -(-max(len(slots), 1) // SLOTS) * SLOTS
    padded: dict[str, Array] = {f"{width}-{i:03d}": np.zeros(entries, width) for width in WIDTHS for i in range(most)}
    for name, tensor in tensors.items():
        padded[slots[name]][: tensor.size] = tensor.ravel()
    return padded


def optax_subject(factory: Any, given: Mapping[str, Any], *, rule: str | None, name: str, spec: str) -> UpdateRule:
    """Return a factory of transformations as a subject. Raises `UsageError` where it makes no transformation."""
    import optax

    with in_double():
        try:
            made = factory(**given)
        except Exception as error:
            raise UsageError(f"{name} cannot be built: {type(error).__name__}: {text_of(error)}") from error
        if not isinstance(made, optax.GradientTransformation):
            raise UsageError(f"{name} returned {type_of(made)}; expected an optax.GradientTransformation")
    never = Measured("rejects", "declared: jax.grad gives zeros where there is no gradient", declared=True)
    prelude = PRELUDE.format(factory=spec.replace(":", "."))
    rule_of_trees, stated = OptaxRule(factory), {"gradient_none": never}
    made = UpdateRule(rule_of_trees, dict(given), name, rule, stated, spec=spec, prelude=prelude)
    return replace(made, framework="jax", adapted=factory)
