"""Classes whose weights are made when training begins: readings of ``fit(X, y)`` and ``predict(X)``.

The object is asked for its output after it was trained once, with the parameters put in place; a step is judged from
where the weights begin (`late_weights.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.subjects.backprop.as_written.calls import Plan, plans
from gdprops.subjects.backprop.as_written.class_reading import RATE, spread, targets_for, targets_of, written_call
from gdprops.subjects.backprop.as_written.constructors import Constructor, Made, Sizes, constructors
from gdprops.subjects.backprop.as_written.data_forms import ONE_ROW, ROWS, DataForm
from gdprops.subjects.backprop.as_written.forward_pass import Forward
from gdprops.subjects.backprop.as_written.late_weights import late_names, watched, with_first
from gdprops.subjects.backprop.as_written.leaves import Leaf
from gdprops.subjects.backprop.as_written.met_errors import met
from gdprops.subjects.backprop.as_written.picked import picks
from gdprops.subjects.backprop.as_written.probes import PROBE, probe_data, seeded
from gdprops.subjects.backprop.as_written.reading import Reading
from gdprops.subjects.backprop.as_written.roles import FORWARD, Role, called
from gdprops.subjects.backprop.as_written.training import KNOWN, OPTIONAL, Way, trainers
from gdprops.subjects.backprop.as_written.user_objects import has_rate, is_defined, is_parameter_name, settle
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.backprop_layout import Shape

ROWS_TRIED = 6


@final
@dataclass(slots=True)
class _Late:
    """One way to make, train and ask a class whose weights are made in training."""

    found: type
    subclass: type
    constructor: Constructor
    method: str
    plan: Plan
    form: DataForm
    targets: str
    names: tuple[str, ...]
    forward: Forward | None = None
    signed: bool = False
    current: list[Any] = field(default_factory=list)
    asked: dict[tuple[Shape, ...], Any] = field(default_factory=dict)
    known: dict[tuple[int, int], dict[str, Shape]] = field(default_factory=dict)

    def made(self, sizes: Sizes, x: Array, y: Array, rate: float) -> Any:
        """Return a new object of the watched subclass."""
        seeded()
        net = self.constructor.make(self.subclass, Made(sizes, x, y, rate))
        settle(net, rate, len(x))
        return net

    def train(self, net: Any, x: Array, y: Array, rate: float) -> None:
        """Train once."""
        seeded()
        Way(self.method, self.plan, self.form).run(net, x, 2 * y - 1 if self.signed else y, rate)

    def shapes(self, n_in: int, hidden: int, n_out: int) -> dict[str, Shape]:
        """Return the shapes of what training begins with; every object has the same number of hidden units."""
        del hidden
        if (n_in, n_out) not in self.known:
            sizes = Sizes(n_in, PROBE.hidden, n_out)
            x, y = probe_data(sizes, 1 if self.form.single else ROWS_TRIED)
            net, y = self.made(sizes, x, y, RATE), targets_of(self.targets, y)
            with quiet(), np.errstate(all="ignore"):
                found = late_names(net, lambda n: self.train(n, x, y, RATE))
            self.known[n_in, n_out] = {name: np.shape(found[name]) for name in self.names}
        return self.known[n_in, n_out]

    def output(self, params: Mapping[str, Any], x: Array) -> Any:
        """Return the output of an object that was trained once and has these parameters."""
        assert self.forward is not None, "found before"
        shapes = tuple(np.shape(w) for w in params.values())
        if shapes not in self.asked:
            first = {name: np.array(w) for name, w in params.items()}
            sizes = Sizes(x.shape[1], PROBE.hidden, PROBE.n_out)
            net = self.made(sizes, x, probe_data(sizes, len(x))[1], RATE)
            trained = _data(x.shape[1], ROWS_TRIED, self)
            self.train(with_first(net, first), *trained, RATE)
            self.asked[shapes] = net
        net = self.asked[shapes]
        for name, w in params.items():
            value = np.array(w) if type(w) is np.ndarray else w
            setattr(net, name, value if np.ndim(w) or type(w) is not np.ndarray else float(w))
        out = self.forward.output(net, x)
        return np.array(out) if type(out) is np.ndarray else out

    def step(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> dict[str, Any]:
        """Return the parameters after training began with these and went on for one step."""
        net = with_first(self.made(Sizes(x.shape[1], PROBE.hidden, PROBE.n_out), x, y, rate), dict(params))
        self.current[:] = [net]
        self.train(net, x, y, rate)
        return {name: Leaf(((".", name),), (), "").array(net) for name in params}

    def watched(self, frame: Any) -> dict[str, Any]:
        """Return the parameters while a step runs, as far as they have been made."""
        del frame
        return {name: vars(net)[name] for net in self.current for name in self.names if vars(net).get(name) is not None}

    def script(self, params: Mapping[str, Any], x: Array, y: Array, rate: float) -> list[str]:
        """Return the lines that train once."""
        made = Made(Sizes(x.shape[1], PROBE.hidden, PROBE.n_out), x, y, rate)
        way = Way(self.method, self.plan, self.form)
        begun = ", ".join(f"{name} = {np.asarray(w).tolist()}" for name, w in params.items())
        return [
            f"X, y = np.array({x.tolist()}), np.array({y.tolist()})",
            f"net = {self.constructor.written(self.found.__name__, made, {'x': 'X', 'y': 'y'})}",
            f"# let {self.method} begin with {begun}, and go on for one step at the rate {rate!r}",
            f"net.{self.method}({written_call(way, self.plan, rate)})",
        ]

    def reading(self, outputs: int, takes_rate: bool) -> Reading:
        """Return the functions as a reading."""
        assert self.forward is not None, "found before"
        return Reading(
            name=self.found.__name__,
            shapes=self.shapes,
            output=self.output,
            step=self.step,
            gradients=None,
            loss=None,
            inputs=None,
            outputs=outputs,
            single=self.form.single,
            targets=self.targets,
            takes_rate=takes_rate,
            told=(
                self.form.told,
                f"{self.method}({self.plan.told})",
                f"{self.forward.told} after it",
                f"weights are made in {self.method}, and judged from where they begin",
            ),
            script=self.script,
            functions=(self.found,),
            signed=self.signed,
            batch_told=self.method,
            begins_in_training=True,
            watched=self.watched,
        )


def _data(n_in: int, rows: int, late: _Late) -> tuple[Array, Array]:
    x, y = probe_data(Sizes(n_in, PROBE.hidden, PROBE.n_out), rows)
    rows = 1 if late.form.single else rows
    return x[:rows], targets_of(late.targets, y)[:rows]


TARGETS = ("binary-vector", "signed binary-vector", "labels", "one-hot", "binary")
"""The forms of targets that are tried before anybody knows the output."""


def late_readings(found: type, declared: Mapping[str, Any]) -> Iterator[Reading]:
    """Yield the readings of a class whose weights are made in training."""
    defined = [name for name in dir(found) if is_defined(found, name) and callable(getattr(found, name, None))]
    try:
        subclass = watched(found)
    except TypeError:
        return
    for constructor in constructors(found, declared):
        if constructor.takes_data:
            continue
        got = False
        for method in trainers(defined):
            for targets in TARGETS:
                for form in (ROWS, ONE_ROW):
                    for late in _begun(found, subclass, constructor, method, form, targets):
                        for one in _asked(late, defined):
                            got = True
                            yield one
        if got:
            return


def _begun(
    found: type, subclass: type, constructor: Constructor, method: str, form: DataForm, targets: str
) -> Iterator[_Late]:
    """Yield the calls of a method that bind weights to attributes of a new object."""
    signed = targets.startswith("signed")
    kind = targets.removeprefix("signed ")
    late = _Late(found, subclass, constructor, method, Plan(()), form, kind, (), signed=signed)
    x, y = _data(PROBE.n_in, ROWS_TRIED, late)
    for plan in plans(getattr(found, method).__get__(object()), KNOWN, optional=OPTIONAL):
        late.plan = plan
        try:
            with quiet(), np.errstate(all="ignore"):
                net = late.made(PROBE, x, y, RATE)
                first = late_names(net, lambda n: late.train(n, x, y, RATE))
        except Exception as error:  # it is found out by trying
            met(error)
            continue
        names = [n for n in first if n in vars(net) and is_parameter_name(n, np.shape(first[n]))]
        names = [n for n in names if np.shape(first[n]) == np.shape(vars(net)[n])]
        if any(np.ndim(first[n]) for n in names):
            yield _Late(found, subclass, constructor, method, plan, form, kind, tuple(names), signed=signed)


def _asked(late: _Late, defined: Sequence[str]) -> Iterator[Reading]:
    """Yield the readings of a trained object, for every method that gives its output."""
    x, y = _data(PROBE.n_in, ROWS_TRIED, late)
    x6, _ = probe_data(PROBE, ROWS_TRIED)
    for method in (name for name in called(defined, FORWARD) if name != late.method):
        with quiet(), np.errstate(all="ignore"):
            net = late.made(PROBE, x, y, RATE)
            late.train(net, x, y, RATE)
            for plan in plans(getattr(net, method), (Role.DATA,)):
                try:
                    returned = plan.call(getattr(net, method), {Role.DATA: ROWS.given(x6)})
                    found = list(picks(net, returned, ROWS, ROWS_TRIED))
                except Exception:  # it is found out by trying
                    continue
                for pick in found:
                    late.forward = Forward(method, plan, pick, ROWS)
                    out = np.asarray(late.forward.output(net, x6), dtype=np.float64)
                    kept = _depended_on(late, net, x6, out)
                    if not kept:
                        continue
                    late.names = kept
                    late.known.clear()
                    outputs = out.shape[1]
                    if _agrees(late, out, outputs):
                        yield late.reading(
                            outputs, late.constructor.takes_rate or late.plan.uses(Role.RATE) or has_rate(net)
                        )
                        return


def _depended_on(late: _Late, net: Any, x: Array, out: Array) -> tuple[str, ...]:
    """Return the names on which the output depends: what training moves but nobody asks is no parameter."""
    assert late.forward is not None
    kept = list[str]()
    for name in late.names:
        held = vars(net)[name]
        for by in (1.0, -1.0, 30.0, -30.0):
            shape = np.shape(held)
            setattr(net, name, held + by * (spread(shape, 1) if shape else 1.0))
            try:
                changed = late.forward.output(net, x)
            except Exception:
                changed = out
            setattr(net, name, held)
            if not np.array_equal(changed, out):
                kept.append(name)
                break
    return tuple(kept)


def _agrees(late: _Late, out: Array, outputs: int) -> bool:
    """Say whether the form of the targets fits the output."""
    if set(np.unique(out)) <= {-1.0, 1.0} and (out < 0).any():
        return late.signed
    if late.signed:
        return False
    if outputs == 1:
        return late.targets in ("binary-vector", "binary")
    return late.targets in targets_for(out, outputs) or late.targets == "labels"
