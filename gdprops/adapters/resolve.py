"""From a name to a subject: names are imported, never evaluated."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from gdprops.adapters.frameworks import framework_object, framework_of, framework_subject, is_foreign, require_home
from gdprops.errors import SubjectCrash, UsageError
from gdprops.model.names import nearest
from gdprops.model.traits import RULES, Measured, declared
from gdprops.model.words import type_of

if TYPE_CHECKING:
    from gdprops.adapters.torch_optimizer import TorchOptimizer
    from gdprops.model.subject import Subject

KINDS = ("optimizer", "training-step", "backprop", "update-rule")
LOADED = "gdprops_subject_"
"""What the modules are called that were loaded from a file."""


def resolve(
    spec: str,
    *,
    kind: str | None = None,
    rule: str | None = None,
    hyperparameters: Mapping[str, Any] | None = None,
    traits: Mapping[str, str] | None = None,
) -> Subject:
    """Return the subject that ``package.module:Name`` or ``path/to/file.py:name`` names.

    ``traits`` are declared of an optimizer class or an update rule; other subjects have none, or their own.

    Raises `UsageError` in one line for whatever is wrong with the name, the kind or the hyperparameters.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"as={kind!r}; expected one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    given, stated = dict(hyperparameters or {}), declared(traits)
    if kind == "backprop" and spec.endswith(".py"):
        return _file_of_functions(spec, given, rule)
    if framework_of(spec) is not None:
        if kind in ("training-step", "backprop"):
            raise UsageError(f"as={kind!r}: {spec} names an optimizer of a framework, which gdprops feeds itself")
        return framework_subject(
            framework_object(spec), given, rule=check_rule(rule), name=label_of(spec, given), spec=spec
        )
    return _by_kind(spec, kind, given, rule, stated)


def _by_kind(
    spec: str, kind: str | None, given: dict[str, Any], rule: str | None, stated: Mapping[str, Measured]
) -> Subject:
    """Return a subject of torch or of plain arrays."""
    from gdprops.adapters.backprop import Backprop

    found = import_name(spec)
    if stated and (kind in ("training-step", "backprop") or not callable(found)):
        raise UsageError(f"traits: {spec} takes none; they are declared of optimizer classes and update rules")
    if isinstance(found, Backprop) or kind == "backprop":
        return _backprop(found, given, rule, spec)
    from gdprops.adapters.torch_optimizer import TorchOptimizer
    from gdprops.adapters.training_step import TrainingStep
    from gdprops.adapters.update_rule import UpdateRule, update_rule

    if isinstance(found, TorchOptimizer | UpdateRule | TrainingStep):
        bound: Subject = _as_bound(found, given, rule, spec)
        return cast("Any", replace)(bound, spec=spec) if isinstance(found, TrainingStep) else bound
    if kind == "training-step":
        return _training_step(found, given, rule, spec)
    if kind == "update-rule":
        if not callable(found):
            raise UsageError(
                f"{spec} is {_describe(found)}; expected an update rule, a function of (params, grads, state)"
            )
        return replace(update_rule(found, rule=rule, name=label_of(spec, given), **given), declared=stated, spec=spec)
    if is_foreign(found):
        return framework_subject(found, given, rule=check_rule(rule), name=label_of(spec, given), spec=spec)
    if kind is None and not is_optimizer_class(found):
        raise UsageError(
            f"{spec} is {_describe(found)}, not an optimizer class; expected a subclass of torch.optim.Optimizer, "
            f"or say what it is with --as {'|'.join(KINDS)}"
        )
    name = label_of(spec, given)
    return build_optimizer(found, rule=rule, traits=stated, name=name, hyperparameters=given, source=spec)


def _file_of_functions(path: str, given: dict[str, Any], rule: str | None) -> Subject:
    from gdprops.adapters.backprop import backprop
    from gdprops.adapters.backprop_file import file_subject

    require_keywords(backprop, given, f"--as backprop {path}")
    bound: Any = file_subject(path, given)
    subject: Subject = _as_bound(bound, {}, rule, path)
    return subject


def _backprop(found: Any, given: dict[str, Any], rule: str | None, spec: str) -> Subject:
    from gdprops.adapters.backprop import Backprop

    if not isinstance(found, Backprop):
        file = spec.rpartition(":")[0]
        whole = f", or check the whole file: {file} --as backprop" if file.endswith(".py") else ""
        raise UsageError(
            f"{spec} is {_describe(found)}; bind a name to gdprops.backprop(loss=…, step=…, shapes=…){whole}"
        )
    subject: Subject = replace(_as_bound(found, given, rule, spec), spec=spec)
    return subject


def _training_step(found: Any, given: dict[str, Any], rule: str | None, spec: str) -> Subject:
    """Bind ``-p lr=… clip_norm=…`` as declarations; ``--rule sgd`` wants the rate of plain descent."""
    from gdprops.adapters.training_step import training_step

    require_keywords(training_step, given, f"--as training-step {spec}")
    if check_rule(rule) not in (None, "sgd"):
        raise UsageError(
            f"--rule {rule}: a training step declares its rule by the optimizer that build returns, or in Python: "
            "gdprops.training_step(build, rule=lambda params: torch.optim.Adam(params, lr=0.1))"
        )
    if rule is not None and "lr" not in given:
        raise UsageError("--rule sgd on a training step needs its learning rate: -p lr=0.1")
    named = {"name": label_of(spec, given), **given}
    subject: Subject = replace(training_step(found, **named), spec=spec, hyperparameters=given)
    return subject


def _as_bound(found: Any, given: dict[str, Any], rule: str | None, spec: str) -> Any:
    if given:
        raise UsageError(f"{spec} is a subject with its own hyperparameters; -p does not apply to it")
    if rule is not None and rule != found.rule:
        raise UsageError(f"{spec} is a subject that declares rule={found.rule!r}; --rule {rule} does not apply to it")
    return replace(found, name=spec) if found.name.startswith(LOADED) else found


def build_optimizer(
    factory: Any,
    *,
    rule: str | None,
    traits: Mapping[str, Measured],
    name: str | None,
    hyperparameters: Mapping[str, Any],
    source: str | None = None,
) -> TorchOptimizer:
    """Check a factory and its hyperparameters by building it once, and return the subject."""
    from gdprops.adapters.torch_optimizer import TorchOptimizer

    spec = factory if isinstance(factory, str) else None
    built = import_name(spec) if spec else factory
    called = name or (label_of(spec, hyperparameters) if spec else label(built, hyperparameters))
    require_home(built, "optimizer", ("torch",))
    if not callable(built):
        raise UsageError(f"{called} is {_describe(built)}; expected a class or function that returns an optimizer")
    require_keywords(built, hyperparameters, called)
    _require_rate(hyperparameters)
    where = spec or source or spec_of(built)
    subject = TorchOptimizer(built, dict(hyperparameters), called, check_rule(rule), dict(traits), spec=where)
    _try_to_build(subject)
    return subject


def _try_to_build(subject: TorchOptimizer) -> None:
    import numpy as np

    from gdprops.adapters.isolation import isolated
    from gdprops.model.case import Plan

    try:
        with isolated():
            subject.start([np.ones((2, 2)), np.ones((2, 2))], Plan(((0, 1),)))
    except SubjectCrash as crash:
        raise UsageError(
            f"{subject.name} cannot be built: {type(crash.error).__name__}: {_one_line(crash.error)}"
        ) from crash


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _require_rate(hyperparameters: Mapping[str, Any]) -> None:
    rate = hyperparameters.get("lr")
    if rate is None:
        return
    try:
        number = float(rate)
    except (TypeError, ValueError) as error:
        raise UsageError(f"lr={rate!r}; expected a number") from error
    if math.isnan(number) or number < 0 or math.isinf(number):
        raise UsageError(f"lr={rate!r}; expected a finite number of at least 0")


def check_rule(rule: str | None) -> str | None:
    """Return a known rule's name, or ``rule:dialect``. Raises `UsageError` with the nearest name."""
    if rule is None:
        return rule
    name, colon, key = rule.partition(":")
    if name not in RULES:
        raise UsageError(f"rule={rule!r}; expected one of {', '.join(RULES)}{nearest(name, RULES)}")
    if colon:
        from gdprops.numerics.published.table import PUBLISHED

        dialects = PUBLISHED[name].published()
        if key not in dialects:
            known = f"a dialect of {name}: {', '.join(dialects)}" if dialects else f"{name}, which has no dialects"
            raise UsageError(f"rule={rule!r}; expected {known}{nearest(key, dialects)}")
    return rule


def require_keywords(function: Callable[..., Any], given: Mapping[str, Any], called: str) -> None:
    """Raise `UsageError` for a hyperparameter that a function does not take, with the nearest names."""
    try:
        taken = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in taken.values()):
        return
    for name in given:
        if name not in taken:
            known = [k for k in taken if k not in ("self", "params")]
            raise UsageError(
                f"{called} takes no hyperparameter {name!r}{nearest(name, known)} (it takes {', '.join(known)})"
            )


def spec_of(found: Any) -> str:
    """Return where something is defined, as a subject string."""
    return f"{getattr(found, '__module__', '?')}:{getattr(found, '__qualname__', type(found).__name__)}"


def label(found: Any, hyperparameters: Mapping[str, Any]) -> str:
    """Return a subject's name: what it is called where it is defined, and its hyperparameters."""
    return label_of(spec_of(found), hyperparameters)


def label_of(spec: str, hyperparameters: Mapping[str, Any]) -> str:
    """Return ``spec(key=value, …)``."""
    inside = ", ".join(f"{key}={value!r}" for key, value in hyperparameters.items())
    return f"{spec}({inside})" if inside else spec


def import_name(spec: str) -> Any:
    """Return the object that ``module:attribute`` or ``file.py:attribute`` names."""
    where, colon, attribute = spec.rpartition(":")
    if not colon or not where or not attribute:
        raise UsageError(f"subject={spec!r}; expected package.module:Name or path/to/file.py:name")
    found: Any = import_module(where)
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            raise UsageError(f"{where} has no {part!r}{nearest(part, dir(found))}") from error
    return found


def import_module(where: str) -> ModuleType:
    """Return the module that a dotted name or a path to a file names. Raises `UsageError` in one line."""
    if where.endswith(".py"):
        return import_file(Path(where))
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is not None and (where == error.name or where.startswith(error.name + ".")):
            known = [*sys.stdlib_module_names, *sys.modules]
            raise UsageError(f"no module is named {error.name!r}{nearest(error.name, known)}") from error
        raise UsageError(
            f"{where} cannot be imported: it needs the module {error.name!r}, which is not installed"
        ) from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"{where} cannot be imported: {type(error).__name__}: {_one_line(error)}") from error


def import_file(path: Path) -> ModuleType:
    """Return a file as a module, imported once. Raises `UsageError` in one line where that fails."""
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path()
        near = nearest(path.name, [p.name for p in folder.glob("*.py")])
        raise UsageError(f"no such file: {path}{near}")
    name = f"{LOADED}{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    return _load(name, path)


def _load(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickling look the module up by its name
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"{path} cannot be imported: {type(error).__name__}: {_one_line(error)}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def is_optimizer_class(found: Any) -> bool:
    """Say whether something is a torch optimizer's class."""
    import torch

    return isinstance(found, type) and issubclass(found, torch.optim.Optimizer)


def _describe(found: Any) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else type_of(found)
