"""What is recorded of all that stands beside forward, backward and step: clips, scalers, schedulers, loaders, swaps."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import torch

from gdprops.model.ledger import Clip, Collective, EpochBegins, Gradients, Resumes, SchedulerStep, SkippedStep, Unscale
from gdprops.subjects.training_step.structures import tensors_in
from gdprops.subjects.user_code.running_line import is_called_by_user, user_place
from gdprops.watching.gradient_states import Numbered, is_zero
from gdprops.watching.recording import Recording, guarded

if TYPE_CHECKING:
    from torch import Tensor


class Aids(Recording):
    """The entries for everything beside the training itself. `Recorder` adds those of the training."""

    # What happens beside the training

    @guarded
    def resumes(self, optimizer: Any) -> None:
        """Note that an optimizer has just stepped unwatched: what its gradients hold has been used."""
        left = [
            (n, tensor)
            for n, tensor in self._held_by(optimizer)
            if tensor.grad is not None and not is_zero(tensor.grad)
        ]
        self._gradients.used(left)
        self.thread().events.append(Resumes(self.registry.optimizer(optimizer), frozenset(n for n, _ in left)))

    @guarded
    def swaps_begin(self, *tensors: Tensor) -> None:
        """Let go of tensors whose contents torch is about to swap: it refuses where a weak reference exists."""
        for tensor in tensors:
            self.registry.let_go(tensor)

    @guarded
    def swaps_end(self, *tensors: Tensor) -> None:
        """Look at swapped tensors again."""
        for tensor in tensors:
            self.registry.take_back(tensor)

    @guarded
    def batch_loaded(self, batch: object) -> None:
        """Note a batch that a data loader has handed over."""
        if self.keeps is not None:
            self.keeps.loaded(batch)

    @guarded
    def loss_called(self, name: str, args: Any, keywords: Any) -> None:
        """Note what a loss function of torch was given."""
        if self.keeps is not None:
            self.keeps.loss_called(name, args, keywords)

    @guarded
    def collective_called(self, name: str, group: object) -> None:
        """Note a collective that user code calls on all processes."""
        if group in (None, torch.distributed.group.WORLD) and is_called_by_user():
            self.thread().events.append(Collective(name, user_place()))

    @guarded
    def made_replicas(self, module: Any) -> None:
        """Note a module whose parameters torch keeps equal in all processes, unless by a rule of the user's."""
        for tensor in module.parameters():
            self.registry.parameter(tensor)
        self.registry.mark_replicated(module)

    @guarded
    def process_started(self, process: Any) -> None:
        """Count a process that the script has started; daemons are a data loader's workers and the like."""
        self.processes += not process.daemon

    # Clips, scalers, schedulers, loaders

    @guarded
    def clip_begins(self, parameters: object, *, spent: bool) -> tuple[list[Numbered], Gradients, bool]:
        """Note what gradients hold before they are clipped. ``spent``: the clip was given an iterator that ran out."""
        tensors = [tensor for tensor in tensors_in(parameters) if tensor.is_leaf]
        numbered = [(self.registry.parameter(tensor), tensor) for tensor in tensors]
        self._clipped = True
        return numbered, self._gradients.look(numbered), spent

    @guarded
    def exceeds(self, begun: Any, limit: Any) -> bool:
        """Say whether any entry of some gradients is larger than a limit."""
        gradients = [] if begun is None else [tensor.grad for _, tensor in begun[0] if tensor.grad is not None]
        return any(bool((gradient.detach().abs() > float(limit)).any()) for gradient in gradients)

    @guarded
    def clipped_by_norm(self, begun: Any, norm: Any, limit: Any) -> None:
        """Note that gradients were clipped to a norm."""
        self._clip(begun, float(limit), acted=bool(norm > float(limit)), by_norm=True)

    @guarded
    def clipped_by_value(self, begun: Any, limit: Any, acted: bool | None) -> None:
        """Note that gradients were clipped to a value."""
        self._clip(begun, float(limit), acted=bool(acted), by_norm=False)

    def _clip(self, begun: Any, limit: float, *, acted: bool, by_norm: bool) -> None:
        if begun is None:
            return
        numbered, gradients, spent = begun
        self._gradients.changed(numbered)
        if self.keeps is not None:
            self.keeps.clipped(limit, by_norm=by_norm)
        numbers = frozenset(number for number, _ in numbered)
        clip = Clip(user_place(), numbers, gradients, limit, acted=acted, by_norm=by_norm, spent=spent)
        self.thread().events.append(clip)

    @guarded
    def scaled_by(self, scaler: Any) -> None:
        """Note the GradScaler that has scaled a loss."""
        self._scaler = weakref.ref(scaler)

    @guarded
    def unscaling_begins(self, scaler: Any, optimizer: Any) -> Unscale:
        """Note what the gradients of an optimizer hold before a GradScaler divides them by its scale."""
        numbered = self._held_by(optimizer)
        own = type(scaler).scale is torch.amp.GradScaler.scale
        scale = scaler.get_scale() if own else None
        numbers = frozenset(number for number, _ in numbered)
        return Unscale(numbers, user_place(), self._gradients.look(numbered), scale)

    @guarded
    def unscaled(self, optimizer: Any, begun: Unscale | None) -> None:
        """Note that a GradScaler has divided the gradients of an optimizer by its scale."""
        if begun is not None:
            self._gradients.changed(self._held_by(optimizer))
            self.thread().events.append(begun)

    def _held_by(self, optimizer: Any) -> list[Numbered]:
        tensors = [tensor for group in optimizer.param_groups for tensor in group["params"]]
        return [(self.registry.parameter(tensor), tensor) for tensor in tensors]

    @guarded
    def scaler_begins(self) -> int:
        """Note a call of ``GradScaler.step``, and return how many steps were seen before it."""
        self.thread().scaler += 1
        return self.steps

    @guarded
    def scaler_ends(self, optimizer: Any, before: int | None) -> None:
        """Note that ``GradScaler.step`` is over; it may have skipped the step."""
        thread = self.thread()
        thread.scaler = max(0, thread.scaler - 1)
        if before == self.steps:
            thread.events.append(SkippedStep(self.registry.optimizer(optimizer)))

    @guarded
    def scheduler_begins(self, scheduler: Any) -> None:
        """Note that a scheduler steps, unless another one calls it or it takes its first step while it is made."""
        thread = self.thread()
        thread.schedulers += 1
        optimizer = getattr(scheduler, "optimizer", None)
        if thread.schedulers > 1 or optimizer is None or not getattr(scheduler, "_step_count", 1):
            return
        numbers = self.registry.others.of(scheduler), self.registry.stepper_of(optimizer, self._begun)
        thread.events.append(
            SchedulerStep(
                *numbers,
                user_place(),
                by_library=not is_called_by_user(),
                after_update=bool(getattr(optimizer, "_opt_called", False)),
            )
        )

    @guarded
    def scheduler_ends(self) -> None:
        """Note that a scheduler has stepped."""
        thread = self.thread()
        thread.schedulers = max(0, thread.schedulers - 1)

    @guarded
    def epoch_begins(self, loader: Any, iterator: Any) -> None:
        """Note that a data loader is iterated from its start."""
        running = [reference for reference in self._iterators if reference() is not None]
        self.thread().events.append(EpochBegins(self.registry.others.of(loader), alone=not running))
        self._iterators = [*running, weakref.ref(iterator)]
