"""Find the optimizers that a survey examines: the public classes of a module, or those that a function returns."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from gdprops.errors import UsageError, text_of
from gdprops.model.nearest_name import nearest
from gdprops.model.subject import Subject
from gdprops.model.wording import type_of
from gdprops.subjects.torch_optimizer.subject import build_optimizer, is_optimizer_class
from gdprops.subjects.user_code.importing import import_module, import_name, label_of
from gdprops.subjects.user_code.signatures import parameters_of

DEFAULT_RATE = 1e-3
"""The learning rate for an optimizer that has no default for it, if the user gives none."""


def optimizers_in(where: str) -> dict[str, Callable[..., Any]]:
    """Return the optimizers of ``package.module``, ``file.py`` or a registry ``module:function``, by name.

    A registry function takes no arguments and returns classes, a mapping from names to factories, or names in its
    own module. An optimizer with two names is returned once. Raises `UsageError`, in one line, if there is nothing to
    examine.
    """
    found = _registered(where) if ":" in where else _defined(import_module(where))
    if not found:
        raise UsageError(f"{where} has no optimizers: no public subclass of torch.optim.Optimizer")
    return dict(sorted(_once(found).items()))


def _once(found: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """Return every class or function once; its ``__name__`` is preferred if it is one of its names."""
    named = {id(factory): name for name, factory in reversed(list(found.items()))}
    named |= {id(factory): name for name, factory in found.items() if getattr(factory, "__name__", "") == name}
    return {name: found[name] for name in named.values()}


def _defined(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """Return a module's public optimizers; those that the module only imports from another package are left out."""
    found = {name: value for name, value in vars(module).items() if not name.startswith("_") and _is_optimizer(value)}
    exported, package = getattr(module, "__all__", ()), _package(module.__name__)
    own = {name: c for name, c in found.items() if name in exported or _package(c.__module__) == package}
    return own or found


def _package(module: str) -> str:
    return module.partition(".")[0]


def _is_optimizer(value: object) -> bool:
    import torch

    return is_optimizer_class(value) and value is not torch.optim.Optimizer and not inspect.isabstract(value)


def _registered(where: str) -> dict[str, Callable[..., Any]]:
    registry = import_name(where)
    if _is_optimizer(registry):
        raise UsageError(f"{where} is an optimizer, and no function that returns several: gdprops check {where}")
    if not callable(registry):
        raise UsageError(f"{where} is {type_of(registry)}; expected a function that returns optimizers")
    try:
        listed = registry()
    except Exception as error:
        raise UsageError(f"{where}() raised {type(error).__name__}: {text_of(error)}") from error
    if isinstance(listed, Mapping):
        return {str(name): factory for name, factory in listed.items()}
    if not isinstance(listed, Iterable):
        raise UsageError(f"{where}() returned {type_of(listed)}; expected classes, names, or a mapping")
    module = import_module(where.rpartition(":")[0])
    return dict(_named(entry, module, where) for entry in listed)


def _named(entry: object, module: ModuleType, where: str) -> tuple[str, Callable[..., Any]]:
    if callable(entry):
        return getattr(entry, "__name__", repr(entry)), entry
    lowered = {name.lower(): name for name in vars(module)}
    if str(entry).lower() not in lowered:
        raise UsageError(f"{where}() names {entry!r}, which its module does not have{nearest(str(entry), lowered)}")
    name = lowered[str(entry).lower()]
    return name, getattr(module, name)


def accepted(factory: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of the given hyperparameters that an optimizer accepts.

    The learning rate is added if the optimizer has no default for it.
    """
    taken = parameters_of(factory)
    if taken is None:
        return dict(given)
    rate = taken.get("lr")
    needed = {"lr": DEFAULT_RATE} if rate is not None and rate.default is inspect.Parameter.empty else {}
    return {**needed, **{key: value for key, value in given.items() if key in taken}}


def surveyed(where: str, name: str, given: Mapping[str, Any]) -> Subject:
    """Return one optimizer of a module or registry as a subject. Raises `UsageError` if it cannot be built."""
    factory = optimizers_in(where)[name]
    chosen = accepted(factory, given)
    spec = f"{where}:{name}"
    source = None if ":" in where else spec
    called = label_of(spec, chosen)
    return build_optimizer(factory, rule=None, traits={}, name=called, hyperparameters=chosen, source=source)
