"""The expected update U(w, g(w), s), computed on models of gdprops' own and never on the user's.

There are two such models: gradients are evaluated on the first, and the declared rule, or a copy of the user's
optimizer, moves the parameters of the second. The user's step is then compared with the second model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor, nn

from gdprops.errors import GdpropsError, Unsupported, text_of
from gdprops.numerics.decisions import LARGE_MODEL
from gdprops.subjects.torch_optimizer.state import (
    clocks_of,
    needs_closure,
    put_groups,
    put_settings,
    restore,
    settings_of,
    snapshot,
)
from gdprops.subjects.training_step.changed_outputs import Changed
from gdprops.subjects.training_step.clipping import clipped, clipped_without_guard, clips_itself, has_own_hooks
from gdprops.subjects.training_step.derivatives import derivatives
from gdprops.subjects.training_step.forward_state import ForwardState, Surroundings
from gdprops.subjects.training_step.looks import Looks
from gdprops.subjects.training_step.rule_settings import rule_settings
from gdprops.subjects.training_step.sparse_gradients import as_named, named_entries
from gdprops.subjects.training_step.structures import mapped, shaken
from gdprops.subjects.training_step.tasks import ALL, Data
from gdprops.subjects.training_step.window_states import Met, met_in, window_loss

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.subjects.training_step.counterpart import Counterpart
    from gdprops.subjects.training_step.declaration import Declaration, Factory
    from gdprops.subjects.training_step.tasks import Task

SecondLook = Callable[["Array", "Array"], "Array"]
EXPECTATION = "say what update is expected with rule=…, or lr=… for plain descent"


@final
class Expected:
    """Gradients and losses at any weights, and the update of the declared rule or of a copy of the user's optimizer."""

    def __init__(self, declared: Declaration, task: Task, ours: Counterpart) -> None:
        self._declared, self._task, self._model = declared, task, ours.model
        self._look_at = list(self._model.parameters())
        self._moved = list(ours.moved)
        self._rule = ours.optimizer if declared.rule_factory is None else self._declared_rule(declared.rule_factory)
        self.is_declared = declared.rule_factory is not None
        self._declared_settings = settings_of(self._rule) if self._rule is not None and self.is_declared else None
        self._clips_itself = clips_itself(self._rule, declared.clip_norm)
        self.by_closure = self._rule is not None and needs_closure(self._rule)
        self.closure_met = list[ForwardState]()
        """The states that the passes of a closure have met, one after the other, where they differ."""
        self.looks = Looks()
        """How the user's step has called its optimizer, where that looks more than once."""
        self._looked_at = (0, ALL, False)
        self._second: SecondLook | None = None
        self._handed: Sequence[Array | None] = ()
        self._named: list[Tensor | None] = [None] * len(self._look_at)
        self.value = 0.0
        """The loss J where the last gradients were taken."""
        self.reached_otherwise = set[int]()
        """The parameters to which the user's own loss gives a gradient: one that J does not reach has zeros there."""
        self._met: ForwardState | None = None
        self._window, self._window_of = tuple[Met, ...](), -1
        self._steps = dict[int, tuple[Any, ...]]()
        self._grown: Sequence[Sequence[int]] = ()
        self._shaken: tuple[int, slice, Any] | None = None
        self._surroundings = Surroundings(self._model)
        self.adopted: Any = None
        self.adopt()

    def _declared_rule(self, factory: Factory) -> torch.optim.Optimizer:
        return factory([p for p in self._moved if p.requires_grad])

    @property
    def clip_norm(self) -> float | None:
        """The global norm that gradients are clipped to, as declared."""
        return self._declared.clip_norm

    def settings_at(self, now: Any, built: tuple[Any, Any]) -> Any:
        """Return the hyperparameters of U's groups where those in force are ``now``, and ``built`` after ``build``."""
        declared = self._declared_settings
        return now if not now or declared is None else rule_settings(declared, *built, now)

    def mirror(self, model: nn.Module) -> None:
        """Freeze the parameters that ``build`` has frozen in the user's model: this is ordinary fine-tuning."""
        for p, theirs in zip(self._look_at, model.parameters(), strict=True):
            p.requires_grad_(theirs.requires_grad)

    def differentiate(self, wanted: Iterable[tuple[int, bool]]) -> None:
        """Give some parameters a gradient from now on, or none: what is declared to rest at this step has none."""
        for i, trains in wanted:
            self._look_at[i].requires_grad_(trains)

    def look_from(self, met: ForwardState, window: tuple[Met, ...] = (), t: int = -1) -> None:
        """Let every later forward pass start from the state that the user's own forward pass met.

        ``window``: the state that the pass of each micro-batch of logical step t met, where these differ.
        """
        self._met, self._window, self._window_of = met, window, t

    def remember(self, t: int, looks: Looks, groups: Sequence[Sequence[int]]) -> None:
        """Keep how the user's step has looked at batch t: what its passes met, and how it has called its optimizer.

        ``groups``: the parameters in each of the optimizer's groups, which may have become more.
        """
        self.looks = looks
        if self._rule is not None and not self.is_declared and type(self._rule).__module__.startswith("torch.optim."):
            self._grown = groups if len(groups) > len(self._rule.param_groups) else self._grown
        if self._met is not None and sum(b.numel() for b in self._met.buffers) <= LARGE_MODEL:
            self._steps[t] = self._met, self._window, self._window_of, looks, self.closure_met

    def recall(self, t: int) -> None:
        """Look again as the user's step has looked at batch t; as now where that was not kept: of large models."""
        if t in self._steps:
            self._met, self._window, self._window_of, self.looks, self.closure_met = self._steps[t]

    def is_the_same_in(self, several: Sequence[ForwardState], weights: Sequence[Array], t: int) -> bool:
        """Say whether loss and gradients of batch t are equal, byte by byte, in all modes that were met."""
        found, held = set[bytes](), (self._met, self._window, self._window_of)
        for met in several:
            self.look_from(several[0]._replace(modes=met.modes, leaves=met.leaves))
            parts = [*self.gradients(weights, t), np.asarray(self.loss(weights, t))]
            found.add(b"".join(b"none" if part is None else part.tobytes() for part in parts))
        self._met, self._window, self._window_of = held
        return len(found) == 1

    def gradients(
        self,
        weights: Sequence[Array],
        t: int,
        *,
        rows: slice = ALL,
        shaken: bool = False,
        later: Sequence[Array] | None = None,
    ) -> list[Array | None]:
        """Return autograd's gradients at the weights; None for frozen and unused parameters.

        ``later`` are weights that replace these between the forward pass and its backward pass, unseen by autograd.
        """
        self._looked_at = (t, rows, shaken)
        wanted = [p for p in self._look_at if p.requires_grad]
        with torch.enable_grad():
            loss = self._loss_at(weights, t, rows=rows, moved=shaken)
            for p, w in zip(self._look_at, later or (), strict=False):
                p.data.copy_(torch.from_numpy(np.asarray(w)))
            self.value, found = float(loss), iter(derivatives(loss, wanted))
        grads = [next(found) if p.requires_grad else None for p in self._look_at]
        self._named = named_entries(grads)
        return [self._dense(i, g) for i, g in enumerate(grads)]

    def _dense(self, i: int, gradient: Tensor | None) -> Array | None:
        """Return a gradient as an array; zeros for a parameter that has one only in the user's loss.

        A penalty on all parameters gives even those a gradient that take no part in J: their update is that of a
        gradient of zeros, decay included.
        """
        if gradient is not None:
            found: Array = gradient.detach().to_dense().contiguous().numpy()
            return found
        p = self._look_at[i]
        return np.zeros_like(p.detach().numpy()) if p.requires_grad and i in self.reached_otherwise else None

    def gradients_unfrozen(self, weights: Sequence[Array], t: int) -> list[Array | None]:
        """Return the gradients as they would be if nothing were frozen, clipped as declared."""
        held = [p.requires_grad for p in self._look_at]
        for p in self._look_at:
            p.requires_grad_(p.is_floating_point() or p.is_complex())
        found = self.clipped(self.gradients(weights, t))
        for p, trains in zip(self._look_at, held, strict=True):
            p.requires_grad_(trains)
        return found

    def loss(self, weights: Iterable[Array], t: int) -> float:
        """Return the loss J of batch t at these weights."""
        return float(self._value_at(weights, t))

    def _value_at(self, weights: Iterable[Array], t: int, *, rows: slice = ALL, moved: bool = False) -> Tensor:
        """Return J without a graph.

        Gradients stay enabled for a user's own model, which may need a graph to compute J: forces, gradient penalties.
        """
        with torch.set_grad_enabled(self._declared.own is not None):
            return self._loss_at(weights, t, rows=rows, moved=moved).detach()

    def _loss_at(self, weights: Iterable[Array], t: int, *, rows: slice = ALL, moved: bool = False) -> Tensor:
        place(self._look_at, weights)
        data = self._shaken_data(t, rows) if moved else self._task.whole(t, rows)
        if self._window and t == self._window_of:
            return window_loss(self._task, self._model, data, met_in(self._window, rows), self._surroundings.put)
        if self._met is not None:
            self._surroundings.put(self._met)
        return self._task.objective(self._model, data)

    def _shaken_data(self, t: int, rows: slice) -> Data:
        """Return a copy of a batch with inputs moved by one ulp; these are kept, for they are asked for again."""
        data = self._task.whole(t, rows)
        if self._shaken is None or self._shaken[:2] != (t, rows):
            self._shaken = t, rows, shaken(data.inputs, t)
        return data._replace(inputs=mapped(torch.clone, self._shaken[2]))

    def gradients_of(self, weights: Sequence[Array], data: Data, change: Callable[[Tensor], Tensor]) -> list[Any]:
        """Return the gradients of other data than a batch's, where the model's outputs are changed before the loss."""
        place(self._look_at, weights)
        if self._met is not None:
            self._surroundings.put(self._met)
        with torch.enable_grad():
            loss = self._task.objective(Changed(self._model, change), data)
            found = iter(derivatives(loss, [p for p in self._look_at if p.requires_grad]))
        grads = [next(found) if p.requires_grad else None for p in self._look_at]
        return [None if g is None else g.detach().to_dense().contiguous().numpy() for g in grads]

    def clipped(self, gradients: list[Array | None]) -> list[Array | None]:
        """Return the gradients, clipped as the user declares, unless hooks of the optimizer do it."""
        if self._clips_itself:
            return gradients
        return clipped(gradients, self._declared.clip_norm, self._declared.clip_value)

    def clipped_without_guard(self, gradients: Sequence[Array | None]) -> list[Array | None] | None:
        """Return gradients clipped as the other form does it, by min(1, C / N); None where neither form clips."""
        return None if self._clips_itself else clipped_without_guard(gradients, self.clip_norm)

    def update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> list[Array]:
        """Return the weights after the expected update, U(w, g, s)."""
        return [w.copy() for w in self.passing_update(weights, gradients, state, settings)]

    def passing_update(
        self, weights: Sequence[Array], gradients: Sequence[Array | None], state: Any, settings: Any
    ) -> list[Array]:
        """Return U(w, g, s) without copying it: the next update overwrites these arrays.

        The update is plain gradient descent, or that of the declared rule, or that of a copy of the returned optimizer.
        """
        place(self._moved, weights)
        if self._rule is None:
            self._descend(gradients)
        else:
            self._apply(self._rule, gradients, state, settings)
        return [p.detach().numpy() for p in self._moved]

    def _descend(self, gradients: Sequence[Array | None]) -> None:
        rate = self._declared.lr or 0.0
        for p, g in zip(self._moved, gradients, strict=True):
            w: Array = p.detach().numpy()
            if g is not None:
                w -= w.dtype.type(rate) * g

    def _apply(self, rule: torch.optim.Optimizer, gradients: Sequence[Array | None], state: Any, settings: Any) -> None:
        if state is not None:
            put_groups(rule, len(state[1]), self._grown, self._moved)
            restore(rule, state)
        if settings:
            put_groups(rule, len(settings), self._grown, self._moved)
            put_settings(rule, settings)
        self.hand_over(gradients)
        try:
            if self.looks.are_several or self.looks.ways:
                self.looks.follow(rule, self)
            else:
                rule.step(self.closure(gradients)) if self.by_closure else rule.step()
        except GdpropsError:
            raise
        except Exception as error:
            raise Unsupported(
                f"{type(rule).__name__}.step() raised {type(error).__name__} on the same gradients: {text_of(error)}; "
                f"{EXPECTATION}"
            ) from error
        self.hand_over([None] * len(self._moved))

    def update_by_looks(
        self,
        weights: Sequence[Array],
        gradients: Sequence[Array | None],
        state: Any,
        settings: Any,
        second: SecondLook,
    ) -> list[Array] | None:
        """Return the update of a rule that looks again, where a later look hands over something else than its gradient.

        ``second`` makes it of what the look before has handed over and of the look's own gradient. None for a rule that
        looks once.
        """
        self._second, self._handed = second, gradients
        try:
            found = self.update(weights, gradients, state, settings)
        finally:
            self._second, looked_once = None, self._handed is gradients
        return None if looked_once else found

    def _of_later_look(self, found: list[Array | None]) -> list[Array | None]:
        if self._second is not None:
            pairs = zip(self._handed, found, strict=True)
            found = [g if g is None or before is None else np.asarray(self._second(before, g)) for before, g in pairs]
            self._handed = found
        return found

    def look_again(self, met: ForwardState | None) -> None:
        """Hand over the gradients where the rule stands now, by a forward pass from a state of its own."""
        (t, rows, moved), held = self._looked_at, self._met
        self._met = held if met is None else met
        self.hand_over(self._of_later_look(self.clipped(self.gradients(self.stands(), t, rows=rows, shaken=moved))))
        self._met = held

    def come_back(self, weights: Sequence[Array]) -> None:
        """Put the rule's parameters where they were."""
        place(self._moved, weights)

    def handed_over(self) -> list[Array | None]:
        """Return the gradients that the rule's parameters have now."""
        return [None if p.grad is None else p.grad.detach().to_dense().numpy() for p in self._moved]

    def hand_over(self, gradients: Sequence[Array | None]) -> None:
        """Give every parameter its gradient: itself for torch's own optimizers, which do not change it, else a copy.

        An optimizer that maximizes is given the gradient of -J, because J is the loss that training lowers.
        """
        keeps, turned = type(self._rule).__module__.startswith("torch.optim."), self._maximizes
        keeps = keeps and not has_own_hooks(self._rule)
        for p, g, named in zip(self._moved, gradients, self._named, strict=True):
            mine = g if g is None or not turned else -g
            held = None if mine is None else torch.from_numpy(np.asarray(mine) if keeps else np.array(mine)).to(p.dtype)
            p.grad = None if held is None else as_named(held, named)

    @property
    def _maximizes(self) -> bool:
        """Whether every group of the returned optimizer maximizes; a declared rule is not asked."""
        groups = [] if self._rule is None or self.is_declared else self._rule.param_groups
        return bool(groups) and all(group.get("maximize") for group in groups)

    def closure(self, gradients: Sequence[Array | None]) -> Any:
        """Return a closure that hands over the given gradients where they were taken, and fresh ones at other weights.

        SAM, for example, first moves along a gradient and then calls its closure at other weights.
        """
        (t, rows, moved), start, asked = self._looked_at, self.stands(), 0

        def look() -> Tensor:
            nonlocal asked
            weights, asked = self.stands(), asked + 1
            met, held = self.closure_met[asked - 1] if asked <= len(self.closure_met) else self._met, self._met
            is_there = all(map(np.array_equal, weights, start)) and (asked == 1 or not self.closure_met)
            self._met = met
            if is_there:
                self.hand_over(gradients)
            else:
                seen = self.clipped(self.gradients(weights, t, rows=rows, shaken=moved))
                self.hand_over(self._of_later_look(seen))
            loss = self._value_at(weights, t, rows=rows, moved=moved)
            self._met = held
            return loss

        return look

    def stands(self) -> list[Array]:
        """Return copies of the weights at which the rule stands."""
        return [p.detach().numpy().copy() for p in self._moved]

    def clocks(self) -> list[float | None]:
        """Return the step counters that the last update left."""
        return [] if self._rule is None else clocks_of(self._rule)

    def snapshot(self) -> Any:
        """Return a copy of the rule's state as it is now, None for plain gradient descent."""
        return None if self._rule is None else snapshot(self._rule)

    def adopt(self) -> None:
        """Keep the rule's state as it is now, for the next update."""
        self.adopted = self.snapshot()


def place(parameters: Sequence[nn.Parameter], weights: Iterable[Array]) -> None:
    """Overwrite parameters with these weights."""
    with torch.no_grad():
        for p, w in zip(parameters, weights, strict=True):
            p.copy_(torch.from_numpy(np.asarray(w)))
