"""A run of hand-written backprop: parameters that the user's functions move, and the derivative of the user's loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.adapters.stateless import Stateless
from gdprops.errors import SubjectCrash, UsageError
from gdprops.model.names import layers_of
from gdprops.numerics import decisions
from gdprops.numerics.differences import cautious_gradient
from gdprops.numerics.floor import perturbed

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import BackpropCase
    from gdprops.model.network import Batch
    from gdprops.model.subject import Calling

STEP, GRADIENTS, LOSS = "step(params, X, y, lr)", "gradients(params, X, y)", "loss(params, X, y)"


@final
@dataclass(frozen=True, slots=True)
class Container:
    """How parameters are handed over: a dict with these keys, or a list."""

    keys: tuple[str, ...] | None

    def of(self, arrays: Sequence[Any]) -> Any:
        """Return the params object that holds these arrays."""
        return list(arrays) if self.keys is None else dict(zip(self.keys, arrays, strict=True))

    def holds(self, value: Any) -> bool:
        """Say whether something that came back is such an object."""
        if self.keys is None:
            return isinstance(value, list | tuple)
        return isinstance(value, Mapping)

    def found(self, value: Any, name: str, position: int) -> Any:
        """Return one parameter's entry, None where it is missing; a gradient may be called ``d`` + name."""
        if self.keys is None:
            return value[position] if position < len(value) else None
        return value.get(name, value.get(f"d{name}"))

    @property
    def word(self) -> str:
        """What it is called in messages."""
        return "a list" if self.keys is None else f"a dict with the keys {', '.join(self.keys)}"

    @property
    def chosen(self) -> str:
        """Return the expression that takes what a step returned, or else what it moved in place."""
        return f"moved if isinstance(moved, {'(list, tuple)' if self.keys is None else 'dict'}) else params"

    def literal(self, names: Sequence[str], arrays: Sequence[Array]) -> str:
        """Return the params object as Python."""
        inside = [f"np.array({a.tolist()})" for a in arrays]
        if self.keys is None:
            return f"[{', '.join(inside)}]"
        return "{" + ", ".join(f"{name!r}: {text}" for name, text in zip(names, inside, strict=True)) + "}"


def described(value: Any) -> str:
    """Return what something is, in a few words."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"


def as_loss(value: Any) -> float:
    """Return a loss as a float. Raises `SubjectCrash` for what is no real number."""
    if np.ndim(value) != 0 or not isinstance(value, int | float | np.number | np.ndarray) or np.iscomplexobj(value):
        raise _wrong_form(f"{LOSS} returned {described(value)}; expected a float")
    return float(value)


@final
class WrittenRun(Stateless):
    """Parameters on which the user's functions work; every call gets fresh copies of the data."""

    def __init__(
        self,
        loss: Callable[..., Any],
        step: Callable[..., Any] | None,
        gradients: Callable[..., Any] | None,
        container: Container,
        calls: Calling,
        case: BackpropCase,
    ) -> None:
        self._loss, self._step, self._gradients = loss, step, gradients
        self._container, self._calls, self.case = container, calls, case
        self.names, self.layers = case.names, layers_of(case.names)
        self._params = container.of([np.array(w) for w in case.tensors])
        self._known: tuple[Any, list[Array], list[Array]] | None = None

    @property
    def trainable(self) -> tuple[bool, ...]:
        """All parameters are trained."""
        return (True,) * len(self.names)

    def weights(self) -> list[Array]:
        """Return copies of all parameters as they are now."""
        return [np.array(w) for w in self._arrays(self._params, STEP)]

    def advance(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> tuple[list[Array], None]:
        """Return w - lr g, and no state."""
        return self.update(weights, gradients, state, settings), None

    def rows(self, t: int) -> int:
        """Return how many rows batch t has."""
        return len(self.case.batches[t].inputs)

    def step(self, t: int) -> Any:
        """Let the user's step train on batch t: what it returns, or else what it moved in place, goes on."""
        self._params = self.stepped(self._params, t)
        self._arrays(self._params, STEP)

    def stepped(self, params: Any, t: int) -> Any:
        """Return the params after the user's step on batch t, from any params object."""
        x, y = _data(self.case.batches[t])
        with self._calls.to(STEP):
            returned = self._step(params, x, y, self.case.rate) if self._step is not None else None
        return returned if self._container.holds(returned) else params

    def stated_gradients(self, t: int) -> list[Array | None]:
        """Return the user's gradients of batch t, None for a missing one."""
        found = self._asked_gradients(t)
        entries = [self._container.found(found, name, k) for k, name in enumerate(self.names)]
        return [None if e is None else np.asarray(e) for e in entries]

    def _asked_gradients(self, t: int) -> Any:
        (x, y), params = _data(self.case.batches[t]), self._container.of(self.weights())
        with self._calls.to(GRADIENTS):
            found = self._gradients(params, x, y) if self._gradients is not None else None
        if not self._container.holds(found):
            raise _wrong_form(f"{GRADIENTS} returned {described(found)}; expected {self._container.word}")
        return found

    def looked_at(self) -> list[tuple[str, list[str], list[Array], list[Array]]]:
        """Call what only looks; return for each what it is, the names, and the bytes before and after."""
        named = [(LOSS, self._loss)] + [(GRADIENTS, self._gradients)] * (self._gradients is not None)
        seen = []
        for what, function in named:
            (x, y), arrays = _data(self.case.batches[0]), self.weights()
            before, params = [*(a.copy() for a in arrays), x.copy(), y.copy()], self._container.of(arrays)
            with self._calls.to(what):
                function(params, x, y)  # type: ignore[misc] # a callable, or it would not be in the list
            seen.append((what, [*self.names, "X", "y"], before, [*self._arrays(params, what), x, y]))
        return seen

    def _arrays(self, params: Any, what: str) -> list[Array]:
        """Return the entries of a params object. Raises `SubjectCrash` where one is missing or has another form."""
        found = [self._container.found(params, name, k) for k, name in enumerate(self.names)]
        for name, value, w in zip(self.names, found, self.case.tensors, strict=True):
            if np.shape(value) != w.shape or np.asarray(value).dtype.kind not in "fiu":
                raise _wrong_form(f"{what} left {name} as {described(value)}; expected an array of shape {w.shape}")
        return [np.asarray(value) for value in found]

    def stated_loss(self) -> float:
        """Return the user's loss of the first batch at the parameters as they are."""
        return self.loss(self.weights(), 0)

    def loss(self, weights: Sequence[Array], t: int) -> float:
        """Return the user's loss of batch t at some weights."""
        return self._loss_of(weights, self.case.batches[t])

    def _loss_of(self, weights: Sequence[Array], batch: Batch) -> float:
        with self._calls.to(LOSS):
            return self._bare_loss(weights, batch)

    def _bare_loss(self, weights: Sequence[Array], batch: Batch) -> float:
        """Return the loss, on copies: whoever calls this counts its time and catches its exceptions."""
        return as_loss(self._loss(self._container.of([np.array(w, dtype=np.float64) for w in weights]), *_data(batch)))

    def gradients(
        self,
        weights: Sequence[Array],
        t: int,
        *,
        rows: slice = slice(None),
        shaken: bool = False,
        clipped: bool = True,
    ) -> list[Array | None]:
        """Return the derivative of the user's loss on (some rows of) batch t, by differences."""
        del shaken, clipped
        return [*self._differentiated(weights, t, rows)[0]]

    def errors(self, weights: Sequence[Array], t: int) -> list[Array]:
        """Return how far each partial derivative may be off; a kink nearby makes it large."""
        return self._differentiated(weights, t, slice(None))[1]

    def _differentiated(self, weights: Sequence[Array], t: int, rows: slice) -> tuple[list[Array], list[Array]]:
        key = (t, str(rows), tuple(np.asarray(w).tobytes() for w in weights))
        if self._known is None or self._known[0] != key:
            self._known = (key, *self._differences(weights, self.case.batches[t].rows(rows)))
        return self._known[1], self._known[2]

    def _differences(self, weights: Sequence[Array], batch: Batch) -> tuple[list[Array], list[Array]]:
        flat = np.concatenate([np.asarray(w, dtype=np.float64).ravel() for w in weights])
        ends = [0, *np.cumsum([w.size for w in weights]).tolist()]

        def split(values: Array) -> list[Array]:
            return [values[a:b].reshape(w.shape) for a, b, w in zip(ends, ends[1:], weights, strict=False)]

        with self._calls.to(LOSS):
            noise = self._noise(weights, batch)
            found = cautious_gradient(lambda w: self._bare_loss(split(w), batch), flat, noise=noise)
        values, errors = split(np.array([d.value for d in found])), split(np.array([d.error for d in found]))
        share = decisions.GUARDED_SHARE
        return values, [e + share * np.abs(g).max(initial=0.0) for g, e in zip(values, errors, strict=True)]

    def _noise(self, weights: Sequence[Array], batch: Batch) -> float:
        """Return the rounding error of one loss: two units of it, and how far it moves when all inputs move by an ulp.

        Measured a difference's step away too: at a perfect fit nothing that is rounded can be seen.
        """
        rng, worst = np.random.default_rng(0), 0.0
        for near in (weights, [w + decisions.RICHARDSON_STEP for w in weights]):
            at = self._bare_loss(near, batch)
            for _ in range(decisions.PERTURBATIONS // 2):
                *moved, x, y = perturbed([*near, batch.inputs, batch.targets], rng)
                worst = max(worst, abs(self._bare_loss(moved, replace(batch, inputs=x, targets=y)) - at))
            worst = max(worst, 2 * decisions.unit(decisions.DOUBLE) * abs(at))
        return worst

    def allowed(self, weights: Sequence[Array], t: int) -> list[Array]:
        """Return lr times the error of the derivative, and the rounding of an update, for every entry."""
        rate = self.case.rate
        pairs = zip(weights, *self._differentiated(weights, t, slice(None)), strict=True)
        ulp = decisions.ULP * decisions.unit(decisions.DOUBLE)
        return [
            np.asarray(rate * e + ulp * (np.abs(w) + decisions.DISPLACEMENT_ULPS * np.abs(rate * g)))
            for w, g, e in pairs
        ]

    def update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> list[Array]:
        """Return w - lr g."""
        del state, settings
        rate = self.case.rate
        return [np.asarray(w if g is None else w - rate * g) for w, g in zip(weights, gradients, strict=True)]

    def require_forms(self) -> None:
        """Call step and gradients once. Raises `UsageError` for what can never be used, whatever the case."""
        try:
            if self._step is not None:
                self._require_step()
            if self._gradients is not None:
                self._asked_gradients(0)
        except SubjectCrash as crash:
            if crash.told:
                raise UsageError(str(crash)) from crash
            raise

    def _require_step(self) -> None:
        (x, y), params = _data(self.case.batches[0]), self._container.of(self.weights())
        with self._calls.to(STEP):
            returned = self._step(params, x, y, self.case.rate) if self._step is not None else None
        if isinstance(returned, Mapping | list | tuple) and not self._container.holds(returned):
            raise UsageError(f"{STEP} returned {described(returned)}; expected params, {self._container.word}, or None")


def _data(batch: Batch) -> tuple[Array, Array]:
    return batch.inputs.copy(), batch.targets.copy()


def _wrong_form(told: str) -> SubjectCrash:
    return SubjectCrash(told, ValueError(told), told=told)
