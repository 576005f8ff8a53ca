"""One process on the whole batch: the update U(w, g(w), s) that all ranks together must make.

It is computed in the judging process, on a model of gdprops' own, by gdprops' own gradients. The rule is the declared
one, or the optimizer of the same class and hyperparameters as the one that ``build`` has returned on rank 0. Its state
is its own: that of a sharded optimizer stands on no single rank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import nn

from gdprops.errors import Uncertified, Unsupported, text_of
from gdprops.model.case import BRANCH
from gdprops.model.network import Batch, Point
from gdprops.numerics.certificate import certify_look, gradient_bounds, is_exact_update
from gdprops.numerics.decisions import DOUBLE
from gdprops.numerics.reached_rows import with_branch
from gdprops.subjects.distributed_step.tasks import task_of
from gdprops.subjects.distributed_step.user_objects import found
from gdprops.subjects.training_step.counterpart import Counterpart
from gdprops.subjects.training_step.expected_update import EXPECTATION, Expected
from gdprops.subjects.training_step.script.drawn_model import in_order
from gdprops.subjects.training_step.tasks import ALL
from gdprops.subjects.user_code.isolation import seed_random_numbers
from gdprops.subjects.user_code.signatures import parameters_of

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import RanksCase
    from gdprops.model.subject import Gradients
    from gdprops.subjects.distributed_step.declaration import Distributed
    from gdprops.subjects.distributed_step.ranks.messages import OptimizerSeen, Ran

Grads = list["Array | None"]


@final
class SingleProcess:
    """A model at the case's weights, and the expected update of it."""

    def __init__(self, declared: Distributed, case: RanksCase, first: Ran) -> None:
        self._declared, self._case = declared.training, case
        self._task = task_of(case, declared.training.own, declared.training.calls)
        self._rows = slice(sum(case.parts)) if case.is_own else ALL
        seed_random_numbers(case.train.plan.seed)  # from which every rank has made its model
        model = self._task.model(ours=True)
        self.names = tuple(name for name, _ in model.named_parameters())
        if set(self.names) != set(first.start):
            raise Unsupported("build replaces parameters of the model, so that no single process can be put beside it")
        moved = [nn.Parameter(p.detach().clone()) for p in model.parameters()]
        for name, p, own in zip(self.names, model.parameters(), moved, strict=True):
            p.requires_grad_(first.trainable[name])
            own.requires_grad_(first.trainable[name])
        self._moved = dict(zip(self.names, moved, strict=True))
        self._groups = list[dict[str, Any]]()
        self.trainable = tuple(first.trainable[name] for name in self.names)
        training = replace(declared.training, rule_factory=self._factory(first))
        self._expected = Expected(training, self._task, Counterpart(model, moved, None, True))
        self.fresh = self._expected.adopted
        """The state of the rule before any step."""
        self.follows_settings = declared.training.rule_factory is None and declared.training.lr is None

    def _factory(self, first: Ran) -> Callable[..., torch.optim.Optimizer] | None:
        factory, seen = self._declared.rule_factory, first.optimizer
        if factory is None and self._declared.lr is not None:
            return None
        if factory is None and seen is None:
            raise Unsupported(f"build returns no optimizer; {EXPECTATION}")

        def make(parameters: Any) -> torch.optim.Optimizer:
            made = factory(parameters) if factory is not None else self._rebuilt(seen)  # type: ignore[arg-type] # there is one
            self._groups = list(getattr(made, "param_groups", ()))
            return made

        return make

    def _rebuilt(self, seen: OptimizerSeen) -> torch.optim.Optimizer:
        """Return an optimizer of the same class, groups and hyperparameters as the returned one."""
        if seen.found is None:
            raise Unsupported(
                f"the class of the returned optimizer, {seen.told}, is found under no name; {EXPECTATION}"
            )
        made = found(seen.found, ())
        taken = parameters_of(made) or {}
        groups = [
            {**settings, "params": [self._moved[name] for name in names if name in self._moved]}
            for names, settings in seen.groups
        ]
        try:
            return made(groups, **{key: value for key, value in seen.defaults.items() if key in taken})  # type: ignore[no-any-return] # the user's class
        except Exception as error:
            raise Unsupported(
                f"{seen.told} cannot be made anew from its groups ({type(error).__name__}: {text_of(error)}); "
                f"{EXPECTATION}"
            ) from error

    def start(self) -> list[Array]:
        """Return the weights at which the case begins."""
        return [p.detach().numpy().copy() for p in self._moved.values()]

    def gradients(
        self, weights: Sequence[Array], t: int, *, rows: slice = ALL, shaken: bool = False, clipped: bool = True
    ) -> Grads:
        """Return our gradients of the mean loss over some rows of batch t."""
        found = self._expected.gradients(weights, t, rows=self._rows if rows == ALL else rows, shaken=shaken)
        return self._expected.clipped(found) if clipped else found

    def gradients_unfrozen(self, weights: Sequence[Array], t: int) -> Grads:
        """Return our gradients of batch t as they would be if nothing were frozen, clipped as declared."""
        return self._expected.gradients_unfrozen(weights, t)

    def clip(self, gradients: Grads) -> Grads:
        """Return gradients, clipped as declared."""
        return self._expected.clipped(gradients)

    @property
    def clip_norm(self) -> float | None:
        """The norm that the gradient is declared to be clipped to, or None."""
        return self._declared.clip_norm

    def loss(self, weights: Sequence[Array], t: int) -> float:
        """Return the loss of batch t."""
        return self._expected.loss(weights, t)

    def state(self) -> Any:
        """Return the state from which the next update starts."""
        return self._expected.adopted

    def adopt(self) -> None:
        """Let the next update start where the last one has left the rule's state."""
        self._expected.adopt()

    def update(self, weights: Sequence[Array], gradients: Grads, state: Any, settings: Any) -> list[Array]:
        """Return U(w, g, s)."""
        return self._expected.update(weights, gradients, state, self._settings(settings))

    def passing_update(self, weights: Sequence[Array], gradients: Gradients, state: Any, settings: Any) -> list[Array]:
        """Return U(w, g, s) in memory that the next update overwrites."""
        return self._expected.passing_update(weights, list(gradients), state, self._settings(settings))

    def _settings(self, settings: Any) -> Any:
        return list(settings) if settings and self.follows_settings else None

    def dialect(self, weights: Sequence[Array], t: int, state: Any, settings: Any) -> list[Array] | None:
        """Return the update with the other legitimate form of clipping, None where there is one only."""
        if self._declared.clip_norm is None:
            return None
        other = self._expected.clipped_without_guard(self.gradients(weights, t, clipped=False))
        return None if other is None else self.update(weights, other, state, settings)

    def is_exact(
        self,
        weights: Sequence[Array],
        t: int,
        gradients: Grads,
        expected: Sequence[Array],
        settings: Any,
        dealt: RanksCase,
    ) -> bool:
        """Say whether every correct computation of step t gives the expected bits, in whatever order it adds.

        ``dealt``: which rows each rank has.

        The gradient's certificate covers the sums over all rows. The update must be plain descent at a known rate, and
        the rows a power of two, so that no mean rounds.
        """
        train = self._case.train
        if dealt.is_own:
            return False
        rows = len(train.batches[t].inputs)
        parts = (rows, dealt.window, dealt.world)
        if dealt.added == BRANCH or self._declared.clip_norm or self._declared.clip_value:
            return False
        if any(n & (n - 1) for n in parts) or len(set(dealt.parts)) > 1:
            return False
        point = self._point(weights, t)
        try:
            certify_look(point, DOUBLE, value=False)
        except Uncertified:
            return False
        rates = self._rates(settings)
        return all(
            (g is None and np.array_equal(w, e)) or (g is not None and _is_plain_move(w, g, e, rates.get(name)))
            for name, w, g, e in zip(self.names, weights, gradients, expected, strict=True)
        )

    def is_near_a_kink(self, weights: Sequence[Array], t: int) -> bool:
        """Say whether an activation sits so near to its kink that rounding may decide on which side."""
        if self._case.is_own:
            return False
        try:
            gradient_bounds(self._point(weights, t), DOUBLE)
        except Uncertified:
            return True
        return False

    def _point(self, weights: Sequence[Array], t: int) -> Point:
        train = self._case.train
        tensors = list(train.tensors)
        for place, w in zip(in_order(train.network), weights, strict=True):
            tensors[place] = w
        batch = train.batches[t]
        if self._case.added == BRANCH:
            branch = tensors[train.network.names.index(BRANCH)]
            batch = Batch(with_branch(batch.inputs, branch), batch.targets)
        return Point(train.network, tuple(tensors), batch)

    def _rates(self, settings: Any) -> dict[str, float]:
        """Return the rate of each parameter, as far as it is known."""
        if self._declared.lr is not None:
            return dict.fromkeys(self.names, self._declared.lr)
        position = {id(p): name for name, p in self._moved.items()}
        found = dict[str, float]()
        for k, group in enumerate(self._groups):
            settled = settings[k] if settings and k < len(settings) and self.follows_settings else group
            if isinstance(settled.get("lr"), int | float):
                found |= {position[id(p)]: float(settled["lr"]) for p in group["params"] if id(p) in position}
        return found


def _is_plain_move(w: Array, g: Array, expected: Array, rate: float | None) -> bool:
    return rate is not None and is_exact_update(w, g, rate, DOUBLE) and np.array_equal(expected, w - rate * g)
