"""From a name to a subject."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from gdprops.errors import SubjectCrash, UsageError
from gdprops.model.nearest_name import nearest
from gdprops.model.traits import RULES, Measured, declared
from gdprops.model.wording import on_one_line, type_of
from gdprops.subjects.frameworks.registry import (
    framework_object,
    framework_of,
    framework_subject,
    is_foreign,
    require_home,
)
from gdprops.subjects.user_code.importing import LOADED, import_name, label, label_of, spec_of
from gdprops.subjects.user_code.signatures import require_keywords

if TYPE_CHECKING:
    from gdprops.model.subject import Subject
    from gdprops.subjects.torch_optimizer.subject import TorchOptimizer

KINDS = ("optimizer", "training-step", "backprop", "update-rule")


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
    from gdprops.subjects.backprop.subject import Backprop

    found = import_name(spec)
    if stated and (kind in ("training-step", "backprop") or not callable(found)):
        raise UsageError(f"traits: {spec} takes none; they are declared of optimizer classes and update rules")
    if isinstance(found, Backprop) or kind == "backprop":
        return _backprop(found, given, rule, spec)
    from gdprops.subjects.torch_optimizer.subject import TorchOptimizer
    from gdprops.subjects.training_step.subject import TrainingStep
    from gdprops.subjects.update_rule.subject import UpdateRule

    if isinstance(found, TorchOptimizer | UpdateRule | TrainingStep):
        bound: Subject = _as_bound(found, given, rule, spec)
        return cast("Any", replace)(bound, spec=spec) if isinstance(found, TrainingStep) else bound
    if kind == "training-step":
        return _training_step(found, given, rule, spec)
    name = label_of(spec, given)
    if kind == "update-rule":
        return _update_rule(found, name, given, rule, stated, spec)
    if is_foreign(found):
        return framework_subject(found, given, rule=check_rule(rule), name=name, spec=spec)
    if kind is None and not is_optimizer_class(found):
        raise UsageError(
            f"{spec} is {_describe(found)}, not an optimizer class; expected a subclass of torch.optim.Optimizer, "
            f"or say what it is with --as {'|'.join(KINDS)}"
        )
    return build_optimizer(found, rule=rule, traits=stated, name=name, hyperparameters=given, source=spec)


def _update_rule(
    found: Any, name: str, given: dict[str, Any], rule: str | None, stated: Mapping[str, Measured], spec: str
) -> Subject:
    from gdprops.subjects.update_rule.subject import update_rule

    if not callable(found):
        raise UsageError(f"{spec} is {_describe(found)}; expected an update rule, a function of (params, grads, state)")
    return replace(update_rule(found, rule=rule, name=name, **given), declared=stated, spec=spec)


def _file_of_functions(path: str, given: dict[str, Any], rule: str | None) -> Subject:
    from gdprops.subjects.backprop.file import file_subject
    from gdprops.subjects.backprop.subject import backprop

    require_keywords(backprop, given, f"--as backprop {path}")
    bound: Any = file_subject(path, given)
    subject: Subject = _as_bound(bound, {}, rule, path)
    return subject


def _backprop(found: Any, given: dict[str, Any], rule: str | None, spec: str) -> Subject:
    from gdprops.subjects.backprop.subject import Backprop

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
    from gdprops.subjects.training_step.subject import training_step

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
    from gdprops.subjects.torch_optimizer.subject import TorchOptimizer

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

    from gdprops.model.case import Plan
    from gdprops.subjects.user_code.isolation import isolated

    try:
        with isolated():
            subject.start([np.ones((2, 2)), np.ones((2, 2))], Plan(((0, 1),)))
    except SubjectCrash as crash:
        raise UsageError(
            f"{subject.name} cannot be built: {type(crash.error).__name__}: {on_one_line(crash.error)}"
        ) from crash


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


def is_optimizer_class(found: Any) -> bool:
    """Say whether something is a torch optimizer's class."""
    import torch

    return isinstance(found, type) and issubclass(found, torch.optim.Optimizer)


def _describe(found: Any) -> str:
    return f"the class {found.__name__}" if isinstance(found, type) else type_of(found)
