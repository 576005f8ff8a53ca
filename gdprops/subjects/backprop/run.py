"""A run of hand-written backprop: the user's functions move the parameters, the user's loss is differentiated.

The user's ``loss`` says what is right. Its numerical derivative g, with a bound for its error in every entry, is what
``gradients`` must return; w - lr g is what ``step`` must leave behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import SubjectCrash, UsageError
from gdprops.model.nearest_name import layer_of, layers_of
from gdprops.numerics import decisions
from gdprops.numerics.differences import cautious_gradient, roughness
from gdprops.numerics.floor import perturbed
from gdprops.subjects.backprop.forms import Container, RateAt, described
from gdprops.subjects.backprop.guards import Guard, WithoutGuards, guards_in
from gdprops.subjects.backprop.shapes import layers_by_shape
from gdprops.subjects.backprop.stateless import Stateless
from gdprops.subjects.backprop.traced_loss import TracedLoss
from gdprops.subjects.user_code.helper_modules import NONE as NO_HELPERS
from gdprops.subjects.user_code.helper_modules import HelperModules

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.backprop_layout import Layout
    from gdprops.model.case import BackpropCase
    from gdprops.model.network import Batch
    from gdprops.model.subject import Calling
    from gdprops.subjects.backprop.forms import Restorable

STEP, GRADIENTS, LOSS = "step(params, X, y, lr)", "gradients(params, X, y)", "loss(params, X, y)"


@final
@dataclass(frozen=True, slots=True)
class Functions:
    """What the user wrote, and how it is called.

    ``helpers``: the modules that its file brought along; ``state``: what it remembered when it was loaded;
    ``guards``: the constants that keep the loss's logarithms finite; ``script``: the lines that repeat one step, where
    the functions stand for code of another form; ``watched``: the parameters while a step runs, from one of its frames.
    """

    loss: Callable[..., Any]
    step: Callable[..., Any] | None
    gradients: Callable[..., Any] | None
    container: Container
    layout: Layout
    rate_at: RateAt
    helpers: HelperModules = NO_HELPERS
    state: Restorable | None = None
    guards: tuple[Guard, ...] = ()
    script: Callable[..., list[str]] | None = None
    watched: Callable[[Any], Mapping[str, Any]] | None = None

    def without_guards(self) -> Functions:
        """Return the functions with the loss that they have without the guards in its logarithms."""
        return replace(self, loss=WithoutGuards(self.loss, self.guards), guards=()) if self.guards else self


def as_loss(value: Any) -> float:
    """Return a loss as a float; an array of shape (1, 1), as a matrix product gives it, is one too.

    Raises `SubjectCrash` for a value that is not a number.
    """
    single = isinstance(value, int | float | np.number | np.ndarray) and np.shape(value) in ((), (1, 1))
    if not single or np.asarray(value).dtype.kind not in "fiu":
        raise wrong_form(f"{LOSS} returned {described(value)}; expected a float")
    return float(np.asarray(value).reshape(()))


@final
class BackpropRun(Stateless):
    """Parameters that the user's functions work on; every call gets fresh copies of X and y."""

    def __init__(self, functions: Functions, calls: Calling, case: BackpropCase) -> None:
        self._functions, self._calls, self.case = functions, calls, case
        if functions.state is not None:
            functions.state.restore()
        self._container = functions.container
        self.names = case.names
        numbered = functions.container.keys is not None and len({layer_of(name) for name in case.names}) > 1
        self.layers = layers_of(case.names) if numbered else layers_by_shape(case.names, functions.layout)
        self._shapes = [w.shape for w in case.tensors]
        self._params = self._container.of([np.array(w) for w in case.tensors])
        self.expression: str | None = None
        """The expression that takes the new params from the last step's result, None where the step moved them in
        place."""
        self.gradients_in = "{}"
        """The expression that takes the gradients from the last result of the user's function."""
        self._known: dict[Any, tuple[list[Array], list[Array]]] = {}
        self._measured: tuple[float, float] | None = None

    @contextmanager
    def _running(self, what: str) -> Iterator[None]:
        """Count the time of the user's code, catch its exceptions, and print nothing of what it prints."""
        with self._calls.to(what), redirect_stdout(StringIO()), self._functions.helpers.present():
            yield

    @property
    def trainable(self) -> tuple[bool, ...]:
        """Every parameter counts as trained."""
        return (True,) * len(self.names)

    def again(self) -> BackpropRun:
        """Return a new run of the same functions on the same case."""
        return BackpropRun(self._functions, self._calls, self.case)

    def told(self, value: Any) -> str:
        """Return what came back from the user's functions, as nested lists, in the words of `told_of`; else nothing."""
        arrays = {k: np.asarray(v) for k, v in value.items()} if isinstance(value, dict) else [*map(np.asarray, value)]
        taken = self._container.taken(arrays, self._shapes, gradients=True)
        if taken is None:
            return ""
        return told_of(self.names, [self._container.found(taken.params, n, k) for k, n in enumerate(self.names)])

    def weights(self) -> list[Array]:
        """Return copies of all parameters as they are now."""
        return [np.array(w) for w in self._arrays(self._params, STEP)]

    now = weights

    def advance(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> tuple[list[Array], None]:
        """Return w - lr g, and None for the state."""
        return self.update(weights, gradients, state, settings), None

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return len(self.case.batches)

    def rows(self, t: int) -> int:
        """Return how many rows batch t has."""
        return len(self.case.batches[t].inputs)

    def step(self, t: int) -> Any:
        """Let the user's step train on batch t; keep the params that it returns, else those moved in place."""
        self._params = self.stepped(self._params, t)
        self._arrays(self._params, STEP)

    def stepped(self, params: Any, t: int) -> Any:
        """Return the params after the user's step on batch t, starting from any params object."""
        taken = self._container.taken(self._returned(params, t), self._shapes)
        self.expression = None if taken is None else taken.expression
        return params if taken is None else taken.params

    def _returned(self, params: Any, t: int) -> Any:
        x, y = self._data(self.case.batches[t])
        with self._running(STEP):
            step = self._functions.step
            return None if step is None else self._functions.rate_at.call(step, params, x, y, self.case.rate)

    def stated_gradients(self, t: int) -> list[Array | None]:
        """Return the user's gradients of batch t, None for a missing one."""
        found = self._asked_gradients(t)
        entries = [self._container.found(found, name, k) for k, name in enumerate(self.names)]
        return [None if e is None else np.asarray(e) for e in entries]

    def _asked_gradients(self, t: int) -> Any:
        (x, y), params = self._data(self.case.batches[t]), self._container.of(self.weights())
        with self._running(GRADIENTS):
            gradients = self._functions.gradients
            returned = None if gradients is None else gradients(params, x, y)
        found = self._container.taken(returned, self._shapes, gradients=True)
        if found is None:
            raise wrong_form(f"{GRADIENTS} returned {described(returned)}; expected {self._container.word}")
        self.gradients_in = found.expression
        return found.params

    def looked_at(self) -> list[tuple[str, list[str], list[Array], list[Array]]]:
        """Call every function once; return for each its name, its arguments' names, and their values before and after.

        A step may move its params, so only X and y are returned for it.
        """
        functions, rate = self._functions, self.case.rate
        step = functions.step and partial(functions.rate_at.call, functions.step)
        seen = []
        for what, function in ((LOSS, functions.loss), (GRADIENTS, functions.gradients), (STEP, step)):
            if function is None:
                continue
            (x, y), arrays = self._data(self.case.batches[0]), self.weights()
            before, params = [*(a.copy() for a in arrays), x.copy(), y.copy()], self._container.of(arrays)
            with self._running(what):
                function(params, x, y, *[rate] * (what is STEP))
            after = [x, y] if what is STEP else [*self._arrays(params, what), x, y]
            seen.append((what, [*self.names, "X", "y"][-len(after) :], before[-len(after) :], after))
        return seen

    def _arrays(self, params: Any, what: str) -> list[Array]:
        """Return the entries of a params object as arrays.

        Raises `SubjectCrash` where an entry is missing, or has another shape or no numbers.
        """
        found = [self._container.found(params, name, k) for k, name in enumerate(self.names)]
        for name, value, shape in zip(self.names, found, self._shapes, strict=True):
            if np.shape(value) != shape or np.asarray(value).dtype.kind not in "fiu":
                raise wrong_form(f"{what} left {name} as {described(value)}; expected an array of shape {shape}")
        return [np.asarray(value) for value in found]

    def data(self, t: int) -> tuple[Any, Any]:
        """Return X and y of batch t in the form that the user's functions take."""
        return self._data(self.case.batches[t])

    def _data(self, batch: Batch) -> tuple[Any, Any]:
        return self._functions.layout.data(batch)

    def stated_loss(self) -> float:
        """Return the user's loss of the first batch at the current parameters."""
        return self.loss(self.weights(), 0)

    def look(self, weights: Sequence[Array], t: int) -> tuple[float, list[Array | None]]:
        """Return the user's loss of batch t and its numerical derivative."""
        return self.loss(weights, t), self.gradients(weights, t)

    def loss(self, weights: Iterable[Array], t: int) -> float:
        """Return the user's loss of batch t at some weights."""
        return self._loss_of(weights, self.case.batches[t])

    def _loss_of(self, weights: Iterable[Array], batch: Batch) -> float:
        with self._running(LOSS):
            return self._bare_loss(weights, batch)

    def _bare_loss(self, weights: Iterable[Array], batch: Batch) -> float:
        """Return the loss, computed on copies; the caller counts the time and catches exceptions."""
        params = self._container.of([np.array(w, dtype=np.float64) for w in weights])
        return as_loss(self._functions.loss(params, *self._data(batch)))

    def traced_loss(self, weights: Sequence[Array], t: int) -> TracedLoss:
        """Return the user's loss of batch t, recorded operation by operation at some weights."""
        loss = self._functions.loss
        bare = loss.loss if isinstance(loss, WithoutGuards) else loss

        def evaluate(arrays: Sequence[Any]) -> Any:
            return bare(self._container.of(arrays), *self._data(self.case.batches[t]))

        with self._running(LOSS):
            changes = loss.changes if isinstance(loss, WithoutGuards) else {}
            return TracedLoss(evaluate, self.names, weights, changes)

    def guards(self) -> tuple[Guard, ...]:
        """Return the guards in the loss's logarithms, none where the loss cannot be followed."""
        try:
            return guards_in(self.traced_loss(self.case.tensors, 0).operations)
        except SubjectCrash:
            return ()

    def most_row_loss(self) -> float:
        """Return the largest loss of a single row times the number of outputs, by which a mean is smaller."""
        batch = self.case.batches[0]
        outputs = batch.targets.shape[1] if batch.targets.ndim > 1 else 1
        rows = (batch.rows(slice(k, k + 1)) for k in range(len(batch.inputs)))
        return outputs * max(self._loss_of(self.case.tensors, row) for row in rows)

    def gradients(
        self,
        weights: Sequence[Array],
        t: int,
        *,
        rows: slice = slice(None),
        shaken: bool = False,
        clipped: bool = True,
    ) -> list[Array | None]:
        """Return the derivative of the user's loss on batch t, or on some of its rows, by numerical differences."""
        del shaken, clipped
        return [*self._differentiated(weights, t, rows)[0]]

    def errors(self, weights: Sequence[Array], t: int) -> list[Array]:
        """Return how far each numerical partial derivative may be off; a kink nearby makes it large."""
        return self._differentiated(weights, t, slice(None))[1]

    def _differentiated(self, weights: Sequence[Array], t: int, rows: slice) -> tuple[list[Array], list[Array]]:
        key = (t, str(rows), tuple(np.asarray(w).tobytes() for w in weights))
        if key not in self._known:
            self._known[key] = self._differences(weights, self.case.batches[t].rows(rows))
        return self._known[key]

    def _differences(self, weights: Sequence[Array], batch: Batch) -> tuple[list[Array], list[Array]]:
        flat = np.concatenate([np.asarray(w, dtype=np.float64).ravel() for w in weights])
        ends = [0, *np.cumsum([w.size for w in weights]).tolist()]

        def split(values: Array) -> list[Array]:
            return [values[a:b].reshape(w.shape) for a, b, w in zip(ends, ends[1:], weights, strict=False)]

        def loss(values: Array) -> float:
            return self._bare_loss(split(values), batch)

        with self._running(LOSS):
            noise = self._noise_at(weights, batch, loss, flat)
            found = cautious_gradient(loss, flat, noise=noise)
        values, errors = split(np.array([d.value for d in found])), split(np.array([d.error for d in found]))
        guarded = decisions.GUARDED_SHARE * max(float(np.abs(g).max(initial=0.0)) for g in values)
        return values, [e + guarded for e in errors]

    def _noise_at(self, weights: Sequence[Array], batch: Batch, loss: Callable[[Array], float], flat: Array) -> float:
        """Return the rounding error of the loss: measured where a run begins, in proportion to the loss elsewhere."""
        size = abs(loss(flat))
        if self._measured is None or not self._measured[1]:
            self._measured = max(self._noise(weights, batch), roughness(loss, flat)), size
        noise, there = self._measured
        return noise * max(1.0, size / there if there else 1.0)

    def _noise(self, weights: Sequence[Array], batch: Batch) -> float:
        """Return the rounding error of a loss: two unit roundoffs, or how far it moves when all inputs move by an ulp.

        It is measured a difference's step away too, because at a perfect fit no rounding can be seen. Classes, zeros
        and ones stay what they are: a loss may ask whether y is 1.
        """
        rng, worst = np.random.default_rng(0), 0.0
        for near in (weights, [w + decisions.RICHARDSON_STEP for w in weights]):
            at = self._bare_loss(near, batch)
            for _ in range(decisions.PERTURBATIONS // 2):
                *moved, x, y = perturbed([*near, batch.inputs, batch.targets], rng)
                y = y if self._functions.layout.targets in ("numbers", "vector") else batch.targets
                worst = max(worst, abs(self._bare_loss(moved, replace(batch, inputs=x, targets=y)) - at))
            worst = max(worst, 2 * decisions.unit(decisions.DOUBLE) * abs(at))
        return worst

    def allowed(self, weights: Sequence[Array], t: int) -> list[Array]:
        """Return for every entry how far a step may be off: lr times the derivative's error, plus rounding."""
        rate, ends = self.case.rate, self._arrays(self._params, STEP)
        pairs = zip(weights, ends, *self._differentiated(weights, t, slice(None)), strict=True)
        return [
            np.asarray(rate * e + _ulps(end) * (np.abs(w) + decisions.DISPLACEMENT_ULPS * np.abs(rate * g)))
            for w, end, g, e in pairs
        ]

    def update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> list[Array]:
        """Return the weights after one step of gradient descent, w - lr g."""
        del state, settings
        rate = self.case.rate
        return [np.asarray(w if g is None else w - rate * g) for w, g in zip(weights, gradients, strict=True)]

    passing_update = update

    def require_forms(self) -> None:
        """Call step and gradients once. Raises `UsageError` where they return a form that no case could use."""
        try:
            if self._functions.gradients is not None:
                self._asked_gradients(0)
            if self._functions.step is not None:
                self._require_step()
        except SubjectCrash as crash:
            if crash.told:
                raise UsageError(str(crash)) from crash
            raise

    def _require_step(self) -> None:
        returned = self._returned(self._container.of(self.weights()), 0)
        known = self._container.taken(returned, self._shapes)
        if known is None and _holds_arrays(returned):
            raise UsageError(f"{STEP} returned {described(returned)}; expected params, {self._container.word}, or None")


def _ulps(end: Array) -> float:
    """Return the relative rounding that an update may have, in the precision of the parameter after the step."""
    unit = np.finfo(end.dtype).eps / 2 if end.dtype.kind == "f" else 0.0
    return decisions.ULP * max(unit, decisions.unit(decisions.DOUBLE))


def _holds_arrays(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    return isinstance(value, list | tuple) and any(np.ndim(v) > 0 or isinstance(v, Mapping) for v in value)


def told_of(names: Sequence[str], arrays: Sequence[Array | None]) -> str:
    """Return arrays to nine digits: what differences are good for."""
    rounded = [None if a is None else [float(f"{v:.9g}") for v in np.ravel(a)] for a in arrays]
    return ", ".join(f"{name} {values}" for name, values in zip(names, rounded, strict=True))


def wrong_form(told: str) -> SubjectCrash:
    """Return the crash of a function that returned something in a wrong form."""
    return SubjectCrash(told, ValueError(told), told=told)
