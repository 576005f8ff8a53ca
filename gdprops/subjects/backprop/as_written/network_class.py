"""A class for a whole network: found out by trying how it is made, asked for its output, and trained.

A parameter is what the output depends on: an array (or a bias that is a plain number) among the object's attributes,
in its lists, dicts and objects, that is neither the data nor overwritten by the forward pass itself. It is not what
training moves: that would lose a bias that nobody updates, and take caches and velocities for parameters.
Every step is taken by a fresh object, whose parameters are put in place after it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import UsageError
from gdprops.numerics.decisions import MOST_BACKPROP_WEIGHTS
from gdprops.subjects.backprop.as_written.calls import ZERO, plans
from gdprops.subjects.backprop.as_written.constructors import Made, Making, Sizes, constructors
from gdprops.subjects.backprop.as_written.data_forms import ASKED, LIST, VECTOR, DataForm, lists_first
from gdprops.subjects.backprop.as_written.forward_pass import Forward, asked_with
from gdprops.subjects.backprop.as_written.given_gradients import bare
from gdprops.subjects.backprop.as_written.leaves import (
    IS_BIAS,
    LISTS,
    NOT_KNOWN,
    AnyLeaf,
    Holders,
    Leaf,
    holders_of,
    leaves_of,
)
from gdprops.subjects.backprop.as_written.met_errors import met
from gdprops.subjects.backprop.as_written.mirrored_leaves import Copies, copies_in, with_copies
from gdprops.subjects.backprop.as_written.picked import picks
from gdprops.subjects.backprop.as_written.probes import OTHER_PROBE, PROBE, ROWS, positive_numbers, probe_data, seeded
from gdprops.subjects.backprop.as_written.roles import FORWARD, FORWARD_WORDS, Role, named
from gdprops.subjects.backprop.as_written.stacked_leaves import MOST_STACKS, stacked
from gdprops.subjects.backprop.as_written.user_objects import (
    begun,
    in_pairs,
    is_defined,
    is_parameter_name,
    settle,
)
from gdprops.subjects.user_code.quiet import quiet

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

MOST_FORWARDS = 4


@final
@dataclass(slots=True)
class Network:
    """One way to make objects of a class and to ask them for their output.

    ``stacks``: in how many lists the parameters of neurons are put together; ``warms_up``: whether the first forward
    pass makes the weights, and is made at once; ``names``: the parameters at sizes at which all of them count, once
    they are known (softmax of one unit is always 1, whatever its weights are).
    """

    found: type
    constructor: Making
    forward: Forward
    inputs: int | None = None
    outputs: int | None = None
    first: tuple[str, ...] = ()
    begin: str = ""
    frozen: tuple[str, ...] = ()
    stacks: int = 0
    warms_up: bool = False
    names: frozenset[str] = frozenset()
    known: dict[Sizes, tuple[AnyLeaf, ...]] = field(default_factory=dict)
    usual: list[frozenset[str]] = field(default_factory=list)
    copies: Copies | None = None
    holders: Holders = NOT_KNOWN
    by_shapes: dict[tuple[Any, ...], Sizes] = field(default_factory=dict)

    def made(self, sizes: Sizes, x: Array, y: Array, rate: float = 0.1) -> Any:
        """Return a new object for some data."""
        form = self.forward.form
        seeded()
        net = self.constructor.make(self.found, Made(sizes, form.samples(x), form.given(y), rate))
        if self.begin:
            begun(net, self.begin, sizes)
        settle(net, rate, len(x))
        if self.warms_up:
            self.forward.raw(net, x)
        return net

    def leaves(self, sizes: Sizes) -> tuple[AnyLeaf, ...]:
        """Return the parameters of an object of some sizes."""
        if sizes not in self.known:
            found = self._parameters(sizes, self._usual_names(sizes))
            if self.copies is None:  # at the first sizes, which are usual ones
                self.copies = copies_in(found, self.made(sizes, *probe_data(sizes, ROWS)))
            self.known[sizes] = tuple(
                stacked(found, self.stacks) if self.stacks else with_copies(in_pairs(found), self.copies)
            )
            shapes = tuple(leaf.shape for leaf in self.known[sizes])
            self.by_shapes.setdefault(shapes, sizes)
        return self.known[sizes]

    def sizes_of(self, params: Mapping[str, Any]) -> Sizes:
        """Return the sizes for which parameters of these shapes were asked for."""
        return self.by_shapes[tuple(np.shape(w) for w in params.values())]

    def _usual_names(self, sizes: Sizes) -> frozenset[str]:
        """Return the names of the parameters at usual sizes.

        Where these differ from some sizes: a single time step, say, does not show that the output depends on the
        matrix between two.
        """
        usual = _fixed(self, PROBE)
        if sizes == usual:
            return frozenset()
        if not self.usual:
            try:
                self.usual.append(frozenset(leaf.name for leaf in self._parameters(usual, frozenset())))
            except Exception:  # the user's code does not run with these sizes
                self.usual.append(frozenset())
        return self.usual[0]

    def _parameters(self, sizes: Sizes, usual: frozenset[str]) -> list[Leaf]:
        x, y = probe_data(sizes, ROWS)
        net = self.made(sizes, x, y)
        every = leaves_of(net, self.holders)
        if sizes == _fixed(self, PROBE):
            self.holders = holders_of(every)
        offered = [leaf for leaf in every if _may_be(leaf, net, self.forward.form, x, y)]
        offered = [leaf for leaf in offered if leaf.name not in self.frozen]
        if self.names and len(named := [leaf for leaf in offered if leaf.name in self.names]) == len(self.names):
            return named
        drawn = {leaf: positive_numbers(leaf.shape, k) for k, leaf in enumerate(offered)}
        _put(net, drawn)
        before = {leaf: leaf.array(net).copy() for leaf in offered}
        out = self.forward.output(net, x)
        kept = [leaf for leaf in offered if _is_kept(leaf, net, before[leaf])]
        found = list[Leaf]()
        decides = bool(np.isin(out, (-1.0, 0.0, 1.0)).all())
        for leaf in kept:
            for by in (0.01, 3.0, -3.0) if decides else (0.01,):
                other = self.made(sizes, x, y)
                _put(other, {**drawn, leaf: drawn[leaf] + by * (1 + np.arange(drawn[leaf].size)).reshape(leaf.shape)})
                try:
                    changed = self.forward.output(other, x)
                except Exception:  # the user's code, on numbers that are none of its parameters
                    continue
                is_other = np.shape(changed) != np.shape(out) or not np.array_equal(changed, out)
                if is_other or leaf.name in usual:
                    found.append(leaf)
                    break
        return found


def _put(net: Any, values: Mapping[Leaf, Array]) -> None:
    for leaf, value in values.items():
        leaf.put(net, np.array(value))


def _is_kept(leaf: Leaf, net: Any, before: Array) -> bool:
    """Say whether the forward pass has left numbers as they are; what it overwrites is a cache."""
    try:
        now = leaf.array(net)
    except (AttributeError, LookupError, TypeError, ValueError):
        return False
    return now.shape == before.shape and bool((now == before).all())


def _may_be(leaf: Leaf, net: Any, form: DataForm, x: Array, y: Array) -> bool:
    """Say whether numbers may be parameters: they are no data, and a plain number has the name of a weight or bias."""
    last = str(leaf.path[-1][1])
    if leaf.form == "float":
        return is_parameter_name(last, ())
    held = leaf.array(net)
    return not any(
        np.shape(held) == np.shape(a) and np.array_equal(held, a) for a in (form.samples(x), form.given(y), x, y)
    )


def networks(
    found: type, declared: Mapping[str, Any], makings: Iterable[Making] | None = None, outputs: int | None = None
) -> Iterator[Network]:
    """Yield the ways to make and ask a class that work, the most telling ones first.

    ``declared``: arguments of its constructor, and ``frozen`` parameters. ``makings``: the ways to make its objects,
    None for the usual ones. ``outputs``: their number, if fixed. Raises `UsageError` where none works.
    """
    any_made, errors = False, list[str]()
    frozen = frozen_of(declared)
    usual = constructors(found, {k: v for k, v in declared.items() if k != FROZEN})
    for constructor in usual if makings is None else makings:
        here = list[Network]()
        for network, said in _asked(found, constructor, frozen, outputs):
            any_made = any_made or not said
            errors += [said] if said else []
            if network is None:
                continue
            here.append(network)
        yield from here
        if here and (constructor.takes_sizes or makings is not None):
            return
    if not any_made and makings is None:
        raise UsageError(_unmakeable(found, errors))


def _unmakeable(found: type, errors: Sequence[str]) -> str:
    """Return why no object can be made: what the code misses whatever it gets, else what its constructor takes."""
    missed = next((one for one in errors if one.startswith(("NameError", "ImportError", "AttributeError"))), "")
    if missed:
        return f"{found.__name__} cannot be made: {missed}"
    try:
        taken = str(signature(found)).replace(" -> None", "")
    except (TypeError, ValueError):
        taken = "(…)"
    return (
        f"{found.__name__}{taken} cannot be made with sizes such as (3, 4, 2), [3, 4, 2] or (X, y): "
        "say what it takes with -p, for instance -p sizes=[3,4,2]"
    )


FROZEN = "frozen"
"""What is declared with ``-p frozen=b1``: parameters that are not meant to move."""


def frozen_of(declared: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the parameters that are declared as frozen."""
    named = declared.get(FROZEN, ())
    return (named,) if isinstance(named, str) else tuple(map(str, named))


def _asked(
    found: type, constructor: Making, frozen: tuple[str, ...], outputs: int | None
) -> Iterator[tuple[Network | None, str]]:
    """Yield the networks of one constructor that give an output of the right shape; else what went wrong."""
    sizes = PROBE
    x, y = probe_data(sizes, ROWS)
    waiting, had = list(ASKED), list[DataForm]()
    while waiting:
        form = waiting.pop(0)
        if form is VECTOR and LIST in had:
            continue
        try:
            with quiet():
                seeded()
                net = constructor.make(found, Made(sizes, form.samples(x), form.given(y), 0.1))
        except Exception as error:
            if constructor.takes_data:
                continue
            yield None, f"{type(error).__name__}: {error}"
            return
        if sum(int(np.prod(leaf.shape)) for leaf in leaves_of(net)) > MOST_BACKPROP_WEIGHTS:
            return
        yield None, ""
        if all(leaf.form in LISTS for leaf in leaves_of(net)):
            waiting = lists_first(waiting)
        count, any_decides = 0, False
        for forward, width in _forwards(net, found, constructor, form):
            network = Network(found, constructor, forward, outputs=outputs, frozen=frozen)
            if width != sizes.n_in or not (constructor.takes_sizes or constructor.takes_data):
                network.inputs = width
            settled = _settled(network)
            if not settled and network.inputs is None:  # hidden units can be chosen, and inputs are fixed
                network = Network(found, constructor, forward, width, outputs, frozen=frozen)
                settled = _settled(network)
            if settled and not (form.single and _spreads(network)) and _is_one_sequence(network):
                yield network, ""
                had.append(form)
                count += 1
                any_decides = any_decides or _decides(network)
                if count >= MOST_FORWARDS:
                    return
        if count and not any_decides:  # predict(X) may round what forward(X.T) computes
            return


def _settled(network: Network) -> bool:
    """Find out which numbers of inputs and outputs the code fixes, and whether the output depends on parameters."""
    try:
        with quiet(), np.errstate(all="ignore"):
            widths = [_width(network, sizes) for sizes in (PROBE, OTHER_PROBE)]
            if None in widths:
                return False
            if widths != [PROBE.n_out, OTHER_PROBE.n_out]:
                if widths[0] != widths[1]:
                    return False
                network.outputs = widths[0]
            sizes = _fixed(network, PROBE)
            fresh = network.made(sizes, *probe_data(sizes, ROWS))
            network.warms_up = not any(leaf.shape for leaf in leaves_of(fresh))
            names = _names(network, PROBE)
            if names and all(IS_BIAS.fullmatch(bare(name)) for name in names):
                return False  # its weights are held where nobody sees them
            if names == _names(network, OTHER_PROBE) != []:
                network.names = frozenset(names)
                return True
            return _stacked(network)
    except Exception:
        return False


def _decides(network: Network) -> bool:
    """Say whether the output is nothing but 0, 1 and -1, which small changes of the parameters leave as it is."""
    sizes = _fixed(network, PROBE)
    x, y = probe_data(sizes, ROWS)
    with quiet(), np.errstate(all="ignore"):
        return bool(np.isin(network.forward.output(network.made(sizes, x, y), x), (-1.0, 0.0, 1.0)).all())


def _is_one_sequence(network: Network) -> bool:
    """Say whether what is asked with several steps gives one output for all of them; true of all other forms."""
    forward, x = network.forward, probe_data(_fixed(network, PROBE), 1)[0]
    with quiet(), np.errstate(all="ignore"):

        def output(steps: Any) -> Any:
            net = network.made(_fixed(network, PROBE), x, x)
            return forward.pick.of(net, forward.of_samples(net, steps, 1))

        return forward.form.is_one_sequence(output, x)


def _spreads(network: Network) -> bool:
    """Say whether a bias that is a vector spreads one sample, which gives fewer outputs as a vector: (4, 1) + (4,)."""
    x, y = probe_data(_fixed(network, PROBE), ROWS)
    counts = list[int]()
    try:
        with quiet(), np.errstate(all="ignore"):
            for form in (network.forward.form, VECTOR):
                forward = replace(network.forward, form=form)
                counts.append(np.size(forward.output(network.made(_fixed(network, PROBE), x, y), x[:1])))
    except Exception:  # it is found out by trying
        return False
    return counts[1] < counts[0]


def _names(network: Network, sizes: Sizes) -> list[str]:
    return [leaf.name for leaf in network.leaves(_fixed(network, sizes))]


def _stacked(network: Network) -> bool:
    """Put the parameters of neurons together, where there are as many neurons as the sizes say; say if that does it."""
    for times in range(1, MOST_STACKS + 1):
        network.stacks = times
        network.known.clear()
        network.by_shapes.clear()
        if _names(network, PROBE) == _names(network, OTHER_PROBE) != []:
            return True
    return False


def _fixed(network: Network, sizes: Sizes) -> Sizes:
    return Sizes(network.inputs or sizes.n_in, sizes.hidden, network.outputs or sizes.n_out)


def _width(network: Network, sizes: Sizes) -> int | None:
    sizes = _fixed(network, sizes)
    x, y = probe_data(sizes, ROWS)
    out = network.forward.output(network.made(sizes, x, y), x)
    return None if out is None or np.ndim(out) != 2 else int(np.shape(out)[1])


def _forwards(net: Any, found: type, constructor: Making, form: DataForm) -> Iterator[tuple[Forward, int]]:
    defined = [n for n in dir(found) if is_defined(found, n) and callable(getattr(net, n, None))]
    methods = named(defined, FORWARD, FORWARD_WORDS)
    widths = _possible_widths(net)
    if constructor.takes_sizes or constructor.takes_data:
        widths = [PROBE.n_in, *(widths if constructor.takes_sizes else [])]
    for method in methods:
        for plan in plans(getattr(net, method), (Role.DATA, Role.BATCH, Role.ROWS, Role.PENALTY)):
            roles = [role for _, role in plan.arguments]
            if roles and (roles.count(Role.DATA) != 1 or roles.count(ZERO) > 1):
                continue
            if not plan.arguments and not constructor.takes_data:
                continue
            for width in widths:
                sizes = Sizes(width, PROBE.hidden, PROBE.n_out)
                x, y = probe_data(sizes, ROWS)
                try:
                    with quiet(), np.errstate(all="ignore"):
                        seeded()
                        fresh = constructor.make(found, Made(sizes, form.samples(x), form.given(y), 0.1))
                        seeded()
                        returned = plan.call(getattr(fresh, method), asked_with(form.samples(x), len(x)))
                except Exception as error:  # it is found out by trying
                    met(error)
                    continue
                for pick in picks(fresh, returned, form, 1 if form.single else ROWS):
                    yield Forward(method, plan, pick, form), width
                if constructor.takes_sizes:
                    break


def _possible_widths(net: Any) -> list[int]:
    """Return the numbers of inputs that the parameters of a network of fixed sizes allow."""
    sizes = [n for leaf in leaves_of(net) for n in leaf.shape]
    return list(dict.fromkeys(sizes + [n - 1 for n in sizes if n > 1])) or [PROBE.n_in]
