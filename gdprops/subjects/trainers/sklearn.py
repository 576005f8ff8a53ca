"""``partial_fit`` of scikit-learn: ``gdprops check sklearn.linear_model:SGDRegressor --as sklearn -p alpha=0.01``.

The subject is a class (or a function that makes one) of the estimators that descend a gradient: SGDRegressor,
SGDClassifier with two classes, MLPRegressor and MLPClassifier, and classes derived from them. Their weights are copied
into a module of torch after every call, and J is written down from the estimator's own settings. SGD estimators make
one update per row, in shuffled order, so that they are given one row per call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gdprops.errors import Unsupported, UsageError, text_of
from gdprops.model.wording import type_of
from gdprops.subjects.trainers.batches import function_of
from gdprops.subjects.trainers.estimators import Estimator, estimator_of
from gdprops.subjects.trainers.step import Defaults, own_parameters, sorted_arguments, trained
from gdprops.subjects.training_step.returned import Driven
from gdprops.subjects.user_code.framework_names import require_installed
from gdprops.subjects.user_code.isolation import isolated

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gdprops.subjects.training_step.subject import TrainingStep

NAME = "sklearn"
"""The name of this kind of subject, for ``--as`` and in reports; and of the extra that installs it."""
FEATURES, ROWS, MOST_ROWS = 3, 6, 200


def sklearn_step(found: Any, given: Mapping[str, Any], *, name: str, spec: str) -> TrainingStep:
    """Return the ``partial_fit`` of an estimator as a training step.

    ``given``: arguments of the estimator, and ``batches``, a function ``(index) -> (X, y)``; without it gdprops draws
    rows of its own. Raises `UsageError` in one line for anything that cannot be used.
    """
    require_installed("sklearn", NAME)
    if not callable(found):
        raise UsageError(f"{spec} is {type_of(found)}; expected an estimator class, or a function that makes one")
    asked = sorted_arguments(
        given,
        trainer={},
        module=own_parameters(found),
        others=("batches",),
        set_by_gdprops=(),
        called=f"--as {NAME} {spec}",
    )

    def make() -> Estimator:
        try:
            made = found(**asked.of_module)
        except Exception as error:
            raise UsageError(f"{spec} raised {type(error).__name__}: {text_of(error)}") from error
        return estimator_of(made, spec)

    with isolated():
        kind = make()
        batches = _Rows(asked.others.get("batches"), kind)
        build = _Build(make, batches)
    return trained(
        NAME,
        build,
        models=build.model,
        batches=batches,
        objective=kind.objective,
        defaults=Defaults(told=kind.told),
        made_from={"estimator": found, "arguments": dict(given)},
        declared=asked.of_step,
        given=given,
        name=name,
        spec=spec,
    )


@final
class _Rows:
    """The rows of each call, as tensors: the user's, or numbers that gdprops makes."""

    def __init__(self, given: Any, kind: Estimator) -> None:
        self._given: Callable[[int], Any] = _made(kind.classifies) if given is None else function_of(given)
        self._one_by_one = kind.one_by_one
        self._each = len(self._given(0)[0]) if kind.one_by_one else 1

    def __call__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return inputs and targets; of an estimator that goes through its rows one by one, one row."""
        import torch

        x, y = self._given(index // self._each)
        k = index % self._each
        rows = slice(k, k + 1) if self._one_by_one else slice(None)
        x, y = np.asarray(x, dtype=np.float64)[rows], np.asarray(y, dtype=np.float64)[rows]
        return torch.from_numpy(x.copy()), torch.from_numpy(y.copy())


def _made(classifies: bool) -> Callable[[int], Any]:
    """Return a function that makes rows: short numbers, and targets or both classes."""

    def rows(index: int) -> tuple[Any, Any]:
        drawn = np.random.default_rng(index)
        x = drawn.integers(-8, 9, (ROWS, FEATURES)) / 8
        y = (np.arange(ROWS) + index) % 2 if classifies else drawn.integers(-8, 9, ROWS) / 4
        return x, y

    return rows


@final
class _Build:
    """``build(module, objective)``: a fresh estimator with the module's weights, and the optimizer that it has."""

    def __init__(self, make: Callable[[], Estimator], batches: _Rows) -> None:
        self._make, self._batches = make, batches

    def model(self) -> nn.Module:
        """Return a module with the parameters of a fresh estimator."""
        kind = self._make()
        self._allocate(kind)
        return kind.module()

    def _allocate(self, kind: Estimator) -> None:
        x, y = self._batches(0)
        kind.fit(x.numpy(), y.numpy())

    def __call__(self, module: nn.Module, _objective: Any) -> Driven:
        kind = self._make()
        self._allocate(kind)
        kind.restart(module)
        optimizer = kind.optimizer([p for p in module.parameters() if p.requires_grad])

        def step(inputs: Tensor, targets: Tensor) -> None:
            if len(inputs) > MOST_ROWS and not kind.one_by_one:
                raise Unsupported(f"partial_fit makes several updates of more than {MOST_ROWS} rows")
            optimizer.param_groups[0]["lr"] = kind.rate()
            kind.fit(inputs.numpy(), targets.numpy())
            optimizer.step()  # no parameter has a gradient: it moves nothing, and says which rate was in force
            kind.copy_to(module)

        return Driven(step, optimizer)
