"""Functions around functions of torch: each tells the recorder what happened, and is otherwise what it wraps.

A wrapper calls what it wraps with the same arguments, returns what it returns and raises what it raises.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from gdprops.watching.loss_graph import mark_scaled
from gdprops.watching.spent_iterators import is_spent

if TYPE_CHECKING:
    from gdprops.watching.recorder import Recorder


def with_subclasses(base: type[Any]) -> Iterator[type[Any]]:
    """Yield a class and all that are derived from it."""
    yield base
    for derived in base.__subclasses__():
        yield from with_subclasses(derived)


def tells_around(function: Any, begins: Callable[..., Any], ends: Callable[..., Any]) -> Any:
    """Return a function that tells of its begin, and of its end with what the begin returned, also where it raises."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        begun = begins(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        finally:
            ends(begun, *args)

    return wrapper


def tells_after(function: Any, tell: Callable[..., Any]) -> Any:
    """Return a function that tells of its first argument, if it has one, when it has returned."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        returned = function(*args, **kwargs)
        tell(*args[:1])
        return returned

    return wrapper


def tells_of_epochs(function: Any, told: Recorder) -> Any:
    """Return ``DataLoader.__iter__`` that tells of the loader and of its iterator."""

    @functools.wraps(function)
    def wrapper(self: Any) -> Any:
        iterator = function(self)
        told.epoch_begins(self, iterator)
        return iterator

    return wrapper


def tells_of_batches(function: Any, told: Recorder) -> Any:
    """Return the ``__next__`` of a data loader's iterator that tells of the batch."""

    @functools.wraps(function)
    def wrapper(self: Any) -> Any:
        batch = function(self)
        told.batch_loaded(batch)
        return batch

    return wrapper


def tells_of_collectives(function: Any, told: Recorder) -> Any:
    """Return a collective that tells of its call before it waits for the others."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        told.collective_called(function.__name__, _group_of(function, args, kwargs))
        return function(*args, **kwargs)

    return wrapper


def _group_of(function: Any, args: Any, kwargs: Any) -> object:
    try:
        return inspect.signature(function).bind(*args, **kwargs).arguments.get("group")
    except TypeError:
        return None


def tells_of_scaling(function: Any, told: Recorder) -> Any:
    """Return ``GradScaler.scale`` that marks what it has scaled, and tells who did."""

    @functools.wraps(function)
    def wrapper(self: Any, outputs: Any) -> Any:
        scaled = function(self, outputs)
        if self.is_enabled() and type(self).unscale_ is told.unscales:  # else it unscales unseen
            mark_scaled(scaled)
            told.scaled_by(self)
        return scaled

    return wrapper


def tells_of_unscaling(function: Any, told: Recorder) -> Any:
    """Return ``GradScaler.unscale_`` that tells what it met, and by what it has divided that."""

    @functools.wraps(function)
    def wrapper(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.is_enabled():
            return function(self, optimizer, *args, **kwargs)
        begun = told.unscaling_begins(self, optimizer)
        returned = function(self, optimizer, *args, **kwargs)
        told.unscaled(optimizer, begun)
        return returned

    return wrapper


def tells_of_scaler_step(function: Any, told: Recorder) -> Any:
    """Return ``GradScaler.step`` that tells of its begin and its end, if the scaler is enabled."""

    @functools.wraps(function)
    def wrapper(self: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.is_enabled():
            return function(self, optimizer, *args, **kwargs)
        begun = told.scaler_begins()
        try:
            return function(self, optimizer, *args, **kwargs)
        finally:
            told.scaler_ends(optimizer, begun)

    return wrapper


def tells_of_norm(function: Any, told: Recorder) -> Any:
    """Return ``clip_grad_norm_`` that tells what it met, and whether it acted."""

    @functools.wraps(function)
    def wrapper(parameters: Any, max_norm: Any, *args: Any, **kwargs: Any) -> Any:
        kept, again, spent = _kept(parameters)
        begun = told.clip_begins(kept, spent=spent)
        told.is_clipping = True
        try:
            norm = function(again, max_norm, *args, **kwargs)
        finally:
            told.is_clipping = False
        told.clipped_by_norm(begun, norm, max_norm)
        return norm

    return wrapper


def tells_of_norm_given(function: Any, told: Recorder) -> Any:
    """Return ``clip_grads_with_norm_`` that tells what it met, unless ``clip_grad_norm_`` calls it."""

    @functools.wraps(function)
    def wrapper(parameters: Any, max_norm: Any, total_norm: Any, *args: Any, **kwargs: Any) -> Any:
        if told.is_clipping:
            return function(parameters, max_norm, total_norm, *args, **kwargs)
        kept, again, spent = _kept(parameters)
        begun = told.clip_begins(kept, spent=spent)
        function(again, max_norm, total_norm, *args, **kwargs)
        told.clipped_by_norm(begun, total_norm, max_norm)

    return wrapper


def tells_of_value(function: Any, told: Recorder) -> Any:
    """Return ``clip_grad_value_`` that tells what it met, and whether it acted."""

    @functools.wraps(function)
    def wrapper(parameters: Any, clip_value: Any, *args: Any, **kwargs: Any) -> Any:
        kept, again, spent = _kept(parameters)
        begun = told.clip_begins(kept, spent=spent)
        acted = told.exceeds(begun, clip_value)
        function(again, clip_value, *args, **kwargs)
        told.clipped_by_value(begun, clip_value, acted)

    return wrapper


def _kept(parameters: Any) -> tuple[Any, Any, bool]:
    """Return what a clip is given so that it can be looked at, the same to hand over, and whether it had run out."""
    if not isinstance(parameters, Iterator):
        return parameters, parameters, False
    spent, kept = is_spent(parameters), list(parameters)
    # torch warns of a generator that has nothing to give, and not of a list
    return kept, ((one for one in kept) if isinstance(parameters, GeneratorType) else kept), spent
