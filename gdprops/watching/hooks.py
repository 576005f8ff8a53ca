"""The hooks: what torch is made to tell the recorder while a run is watched, and how it is made to forget that.

Where a run is watched in stretches, the hooks on optimizers stay between them and count steps; all others go.

Optimizers and modules have public global hooks. ``backward``, ``grad``, ``zero_grad``, clipping, ``GradScaler``,
schedulers, data loaders and the end of autocast regions have none: these are wrapped, and unwrapped at the end. A
wrapper calls what it wraps with the same arguments, returns what it returns and raises what it raises.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, final

import torch
from torch.nn.modules import module as modules
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gdprops.watching.replacements import Replacements
from gdprops.watching.wrappers import (
    tells_after,
    tells_around,
    tells_of_batches,
    tells_of_collectives,
    tells_of_epochs,
    tells_of_loss,
    tells_of_norm,
    tells_of_norm_given,
    tells_of_scaler_step,
    tells_of_scaling,
    tells_of_unscaling,
    tells_of_value,
    with_subclasses,
)

if TYPE_CHECKING:
    from gdprops.watching.recorder import Recorder


COLLECTIVES = (
    *("all_reduce", "broadcast", "reduce", "all_gather", "all_gather_into_tensor", "reduce_scatter"),
    *("reduce_scatter_tensor", "all_to_all", "all_to_all_single", "gather", "scatter", "barrier"),
)
"""What all processes of a group call together."""
LOSSES = (
    *("cross_entropy", "nll_loss", "mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div"),
    *("binary_cross_entropy", "binary_cross_entropy_with_logits", "soft_margin_loss", "hinge_embedding_loss"),
)
"""The losses of torch.nn.functional that are given outputs and targets, in this order."""


@final
class Hooks:
    """Everything that is hooked. ``on_rest`` is called at the end of every step while nothing is watched."""

    def __init__(self, recorder: Recorder, on_rest: Callable[[Any], None] | None = None) -> None:
        self._recorder, self._on_rest = recorder, on_rest
        self._replaced = Replacements()
        self._handles: list[Any] = []
        self._on_steps: list[Any] = []

    def install(self) -> None:
        """Hook torch."""
        self._on_steps = [
            register_optimizer_step_pre_hook(self._begins),
            register_optimizer_step_post_hook(self._ends),
        ]
        self._watch()

    def resume(self, recorder: Recorder) -> None:
        """Hook torch again, for another recorder."""
        self._recorder = recorder
        self._watch()

    def _watch(self) -> None:
        told = self._recorder
        self._handles = [
            register_module_forward_pre_hook(self._enters),
            register_module_forward_hook(self._leaves, with_kwargs=True, always_call=True),
        ]
        self._replaced.function(modules._has_any_global_hook, self._has_hooks_of_others)
        self._replaced.function(
            torch.utils.swap_tensors,
            lambda f: tells_around(f, told.swaps_begin, lambda _, *tensors: told.swaps_end(*tensors)),
        )
        self._replaced.method(BaseProcess, "start", lambda f: tells_after(f, told.process_started))
        if told.is_distributed:
            self._replace_distributed(told)
        self._replace_autograd(told)
        self._replace_optimizers(told)
        self._replace_clipping(told)
        if told.keeps is not None:
            for name in LOSSES:
                self._replaced.function(getattr(torch.nn.functional, name), partial(tells_of_loss, told=told))
        self._replace_scaler(told)
        for scheduler in with_subclasses(torch.optim.lr_scheduler.LRScheduler):
            if "step" in vars(scheduler):
                self._replaced.method(scheduler, "step", self._scheduled)
        self._replaced.method(torch.utils.data.DataLoader, "__iter__", lambda f: tells_of_epochs(f, told))
        batches = torch.utils.data.dataloader._BaseDataLoaderIter
        self._replaced.method(batches, "__next__", lambda f: tells_of_batches(f, told))
        self._replaced.function(torch.clear_autocast_cache, lambda f: tells_after(f, told.autocast_cache_cleared))
        self._replaced.functions()

    def _scheduled(self, step: Any) -> Any:
        begins, ends = self._recorder.scheduler_begins, self._recorder.scheduler_ends
        return tells_around(step, lambda scheduler, *_, **__: begins(scheduler), lambda *_: ends())

    def _begins(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        if not torch.compiler.is_compiling():
            self._recorder.step_begins(optimizer, sys._getframe(1), closure=len(args) > 1 or bool(kwargs))

    def _ends(self, optimizer: Any, *_: Any) -> None:
        if torch.compiler.is_compiling():
            return
        if self._recorder.done and self._on_rest is not None:
            self._on_rest(optimizer)
        else:
            self._recorder.step_ends(optimizer)

    def _has_hooks_of_others(self, has_any: Callable[[], bool]) -> Callable[[], bool]:
        """Return a function that answers as if our hooks were not there: torch warns of hooks on compiled modules."""

        def has_any_of_others() -> bool:
            own = {handle.id for handle in self._handles}
            passes = (modules._global_forward_pre_hooks, modules._global_forward_hooks)
            backward = (modules._global_backward_pre_hooks, modules._global_backward_hooks)
            return has_any() and any(set(hooks) - own for hooks in (*passes, *backward))

        return has_any_of_others

    def _enters(self, module: Any, args: Any) -> None:
        if self._recorder.done:
            self.rest() if self._on_rest is not None else self.remove()
        else:
            self._recorder.enters_module(module)

    def _leaves(self, module: Any, args: Any, *rest: Any) -> None:
        """Tell of a module's end; where its forward raised, torch hands over neither keywords nor an output."""
        keywords, output = rest if len(rest) > 1 else (None, None)
        self._recorder.leaves_module(module, (args, keywords), output)

    def remove_wrappers(self) -> None:
        """Undo all but torch's own hooks: those cannot be taken away while an optimizer calls them."""
        self._replaced.undo()
        self._recorder.registry.release()

    def rest(self) -> None:
        """Undo all but the hooks on the steps of optimizers, which count them until the next stretch."""
        self.remove_wrappers()
        while self._handles:
            handle = self._handles.pop()
            handle.remove()
            modules._global_forward_hooks_with_kwargs.pop(handle.id, None)  # torch forgets to

    def remove(self) -> None:
        """Undo everything."""
        self.rest()
        while self._on_steps:
            self._on_steps.pop().remove()

    def _replace_autograd(self, told: Recorder) -> None:
        self._replaced.function(
            torch.autograd.backward,
            lambda f: tells_around(
                f,
                lambda tensors=(), weights=None, retains=None, creates_graph=False, *_, **more: told.backward_begins(
                    tensors,
                    is_weighted=weights is not None or bool({"grad_tensors", "grad_variables"} & set(more)),
                    creates_graph=creates_graph or more.get("create_graph", False),
                ),
                lambda call, *_: told.backward_ends(call),
            ),
        )
        self._replaced.function(
            torch.autograd.grad,
            lambda f: tells_around(f, lambda *_, **__: told.looks_begin(), lambda *_: told.looks_end()),
        )

    def _replace_distributed(self, told: Recorder) -> None:
        parallel = torch.nn.parallel.DistributedDataParallel
        self._replaced.method(parallel, "__init__", lambda f: tells_after(f, told.made_replicas))
        self._replaced.method(parallel, "register_comm_hook", lambda f: tells_after(f, told.made_replicas))
        for name in COLLECTIVES:
            self._replaced.function(getattr(torch.distributed, name), lambda f: tells_of_collectives(f, told))

    def _replace_optimizers(self, told: Recorder) -> None:
        cleared = told.zero_grad
        self._replaced.method(torch.optim.Optimizer, "zero_grad", lambda f: tells_after(f, lambda *_: cleared()))
        self._replaced.method(torch.nn.Module, "zero_grad", lambda f: tells_after(f, lambda *_: cleared()))
        self._replaced.method(torch.optim.Optimizer, "__init__", lambda f: tells_after(f, told.made_optimizer))

    def _replace_clipping(self, told: Recorder) -> None:
        self._replaced.function(torch.nn.utils.clip_grad_norm_, lambda f: tells_of_norm(f, told))
        self._replaced.function(torch.nn.utils.clip_grads_with_norm_, lambda f: tells_of_norm_given(f, told))
        self._replaced.function(torch.nn.utils.clip_grad_value_, lambda f: tells_of_value(f, told))

    def _replace_scaler(self, told: Recorder) -> None:
        scaler = torch.amp.GradScaler
        self._replaced.method(scaler, "scale", lambda f: tells_of_scaling(f, told))
        self._replaced.method(scaler, "unscale_", lambda f: tells_of_unscaling(f, told))
        self._replaced.method(scaler, "step", lambda f: tells_of_scaler_step(f, told))
        told.unscales = scaler.unscale_
