"""What is told around each function of torch that is wrapped; the function itself is called as it would have been.

Each of these returns a function for the place of the one that it wraps: that calls it with the same arguments, returns
what it returns and raises what it raises. What is told before and after stands around a ``yield``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from gdprops.watching.hidden_calls import hidden_call
from gdprops.watching.loss_graph import mark_scaled
from gdprops.watching.spent_iterators import is_spent

if TYPE_CHECKING:
    from gdprops.watching.recorder import Recorder

Telling = Generator[tuple[Any, Any], Any, None]


def with_subclasses(base: type[Any]) -> Iterator[type[Any]]:
    """Yield a class and all that are derived from it."""
    yield base
    for derived in base.__subclasses__():
        yield from with_subclasses(derived)


def tells_around(function: Any, begins: Callable[..., Any], ends: Callable[..., Any]) -> Any:
    """Return a function that tells of its begin, and of its end with what the begin returned, also where it raises."""

    def talk(*args: Any, **kwargs: Any) -> Telling:
        begun = begins(*args, **kwargs)
        try:
            yield args, kwargs
        finally:
            ends(begun, *args)

    return hidden_call(function, talk)


def tells_after(function: Any, tell: Callable[..., Any]) -> Any:
    """Return a function that tells of its first argument, if it has one, when it has returned."""

    def talk(*args: Any, **kwargs: Any) -> Telling:
        yield args, kwargs
        tell(*args[:1])

    return hidden_call(function, talk)


def tells_of_epochs(function: Any, told: Recorder) -> Any:
    """Return ``DataLoader.__iter__`` that tells of the loader and of its iterator."""

    def talk(loader: Any) -> Telling:
        iterator = yield (loader,), {}
        told.epoch_begins(loader, iterator)

    return hidden_call(function, talk)


def tells_of_batches(function: Any, told: Recorder) -> Any:
    """Return the ``__next__`` of a data loader's iterator that tells of the batch."""

    def talk(iterator: Any) -> Telling:
        batch = yield (iterator,), {}
        told.batch_loaded(batch)

    return hidden_call(function, talk)


def tells_of_loss(function: Any, told: Recorder) -> Any:
    """Return a loss of torch.nn.functional that tells what it was given."""

    def talk(*args: Any, **kwargs: Any) -> Telling:
        yield args, kwargs
        told.loss_called(function.__name__, args, kwargs)

    return hidden_call(function, talk)


def tells_of_collectives(function: Any, told: Recorder) -> Any:
    """Return a collective that tells of its call before it waits for the others."""

    def talk(*args: Any, **kwargs: Any) -> Telling:
        told.collective_called(function.__name__, _group_of(function, args, kwargs))
        yield args, kwargs

    return hidden_call(function, talk)


def _group_of(function: Any, args: Any, kwargs: Any) -> object:
    try:
        return inspect.signature(function).bind(*args, **kwargs).arguments.get("group")
    except TypeError:
        return None


def tells_of_scaling(function: Any, told: Recorder) -> Any:
    """Return ``GradScaler.scale`` that marks what it has scaled, and tells who did."""

    def talk(scaler: Any, *args: Any, **kwargs: Any) -> Telling:
        scaled = yield (scaler, *args), kwargs
        if scaler.is_enabled() and type(scaler).unscale_ is told.unscales:  # else it unscales unseen
            mark_scaled(scaled)
            told.scaled_by(scaler)

    return hidden_call(function, talk)


def tells_of_unscaling(function: Any, told: Recorder) -> Any:
    """Return ``GradScaler.unscale_`` that tells what it met, and by what it has divided that."""

    def talk(scaler: Any, optimizer: Any, **kwargs: Any) -> Telling:
        begun = told.unscaling_begins(scaler, optimizer) if scaler.is_enabled() else None
        yield (scaler, optimizer), kwargs
        told.unscaled(optimizer, begun)

    return hidden_call(function, talk)


def tells_of_scaler_step(function: Any, told: Recorder) -> Any:
    """Return ``GradScaler.step`` that tells of its begin and its end, if the scaler is enabled."""

    def talk(scaler: Any, optimizer: Any, *args: Any, **kwargs: Any) -> Telling:
        enabled = scaler.is_enabled()
        begun = told.scaler_begins() if enabled else None
        try:
            yield (scaler, optimizer, *args), kwargs
        finally:
            if enabled:
                told.scaler_ends(optimizer, begun)

    return hidden_call(function, talk)


def tells_of_norm(function: Any, told: Recorder) -> Any:
    """Return ``clip_grad_norm_`` that tells what it met, and whether it acted."""

    def talk(parameters: Any, max_norm: Any, *args: Any, **kwargs: Any) -> Telling:
        kept, again, spent = _kept(parameters)
        begun = told.clip_begins(kept, spent=spent)
        told.is_clipping = True
        try:
            norm = yield (again, max_norm, *args), kwargs
        finally:
            told.is_clipping = False
        told.clipped_by_norm(begun, norm, max_norm)

    return hidden_call(function, talk)


def tells_of_norm_given(function: Any, told: Recorder) -> Any:
    """Return ``clip_grads_with_norm_`` that tells what it met, unless ``clip_grad_norm_`` calls it."""

    def talk(parameters: Any, max_norm: Any, total_norm: Any, *args: Any, **kwargs: Any) -> Telling:
        if told.is_clipping:
            yield (parameters, max_norm, total_norm, *args), kwargs
            return
        kept, again, spent = _kept(parameters)
        begun = told.clip_begins(kept, spent=spent)
        yield (again, max_norm, total_norm, *args), kwargs
        told.clipped_by_norm(begun, total_norm, max_norm)

    return hidden_call(function, talk)


def tells_of_value(function: Any, told: Recorder) -> Any:
    """Return ``clip_grad_value_`` that tells what it met, and whether it acted."""

    def talk(parameters: Any, clip_value: Any, *args: Any, **kwargs: Any) -> Telling:
        kept, again, spent = _kept(parameters)
        begun = told.clip_begins(kept, spent=spent)
        acted = told.exceeds(begun, clip_value)
        yield (again, clip_value, *args), kwargs
        told.clipped_by_value(begun, clip_value, acted)

    return hidden_call(function, talk)


def _kept(parameters: Any) -> tuple[Any, Any, bool]:
    """Return what a clip is given so that it can be looked at, the same to hand over, and whether it had run out."""
    if not isinstance(parameters, Iterator):
        return parameters, parameters, False
    spent, kept = is_spent(parameters), list(parameters)
    # torch warns of a generator that has nothing to give, and not of a list
    return kept, ((one for one in kept) if isinstance(parameters, GeneratorType) else kept), spent
