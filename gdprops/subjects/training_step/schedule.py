"""The declared schedule of a training step's learning rates: ``schedule=``.

A factory ``optimizer -> object with step()`` is called on a twin of the returned optimizer, one that has its groups and
moves nothing; the twin's groups then say which rates belong to each update. A function ``t -> rate`` (t = 0 at the
first update; a list of rates for several groups) says it directly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from gdprops.errors import UsageError, text_of
from gdprops.model.wording import type_of
from gdprops.numerics.rate_sequences import Rates, Settings, numbers_of
from gdprops.subjects.training_step.structures import number_in

UPDATE, EPOCH = "update", "epoch"


@final
@dataclass(frozen=True, slots=True)
class Schedule:
    """``given``: the user's factory or function; ``per``: how many updates one advance lasts, None for an epoch.

    ``metric``: each advance is given the loss that the step returns.
    """

    given: Callable[..., Any]
    per: int | None
    metric: bool

    @property
    def parts(self) -> dict[str, Any]:
        """What is declared, by argument."""
        return {
            "schedule": self.given,
            "per": EPOCH if self.per is None else None if self.per == 1 else self.per,
            "metric": self.metric or None,
        }

    def planned(
        self, groups: Settings, defaults: Mapping[str, Any], losses: Sequence[Any], *, least: int, most: int
    ) -> list[Rates]:
        """Return the numbers of the first ``most`` advances, for groups as ``build`` has left them.

        ``losses``: what the step returned at each update. A schedule may end (OneCycleLR raises) after ``least``
        advances. Raises `UsageError` where the schedule is none.
        """
        twin = _Twin(groups, defaults)
        try:
            found = self.given(twin)
        except Exception as error:  # a function of t, most likely
            refused = f"it raised {type(error).__name__}: {text_of(error)}"
        else:
            if callable(getattr(found, "step", None)):
                return self._followed(twin, found, losses, least, most)
            refused = f"it returned {_said(found)}"
        plan = list[Rates]()
        for t in range(most):
            try:
                plan.append(self._at(t, len(groups), refused))
            except UsageError:
                if t >= least:
                    break
                raise
        return plan

    def _followed(self, twin: _Twin, found: Any, losses: Sequence[Any], least: int, most: int) -> list[Rates]:
        """Return the numbers of the twin's groups at every advance of its scheduler."""
        plan = [twin.numbers()]
        for t in range(1, most):
            twin.step()
            at = t * (self.per or 1)
            if self.metric and at > len(losses):
                break
            told = (_number(losses[at - 1]),) if self.metric else ()
            try:
                found.step(*told)
            except Exception as error:
                if t >= least:
                    break
                raise UsageError(
                    f"schedule={self.given!r}: advance {t} raised {type(error).__name__}: {text_of(error)}"
                ) from error
            plan.append(twin.numbers())
        return plan

    def _at(self, t: int, groups: int, refused: str) -> Rates:
        try:
            found = self.given(t)
        except Exception as error:
            raise self._neither(refused, f"at t = {t} it raised {type(error).__name__}: {text_of(error)}") from error
        rates = list(found) if isinstance(found, list | tuple) else [found] * groups
        numbers = tuple(number for rate in rates if (number := number_in(rate)) is not None)
        if self.metric or len(numbers) < len(rates):
            raise self._neither(refused, f"at t = {t} it returned {_said(found)}")
        if len(numbers) != groups:
            raise UsageError(f"schedule= gives {len(numbers)} rates, and the optimizer has {groups} parameter groups")
        return numbers

    def _neither(self, as_factory: str, as_function: str) -> UsageError:
        return UsageError(
            f"schedule={self.given!r} is neither a factory optimizer -> object with step() ({as_factory}) nor a "
            f"function t -> rate ({as_function})"
        )


@final
class _Twin(torch.optim.Optimizer):
    """An optimizer with given groups that moves nothing; a rate that a scheduler has changed is what it was."""

    def __init__(self, groups: Settings, defaults: Mapping[str, Any]) -> None:
        plain = [{**group, "params": [nn.Parameter(torch.zeros(1))]} for group in groups]
        for group in plain:
            group["lr"] = group.get("initial_lr", group["lr"])
        super().__init__(plain, dict(defaults))

    def step(self, closure: Any = None) -> None:  # type: ignore[override] # returns no loss
        """Do nothing."""

    def numbers(self) -> Rates:
        """Return the rates of all groups, then their momenta."""
        return numbers_of(self.param_groups)


def _said(returned: Any) -> str:
    return "None" if returned is None else type_of(returned)


def _number(returned: Any) -> float:
    found = number_in(returned)
    if found is not None:
        return found
    raise UsageError(f"metric=True, but step() returned {_said(returned)}; expected the loss, which advances it")


def declared_schedule(given: Any, per: Any, metric: Any) -> Schedule | None:
    """Return what ``schedule=``, ``per=`` and ``metric=`` declare. Raises `UsageError`."""
    if given is None:
        if per != UPDATE or metric:
            raise UsageError(f"per={per!r}, metric={metric!r} without schedule=, which they describe")
        return None
    if not callable(given):
        raise UsageError(
            f"schedule={given!r}; expected a factory optimizer -> object with step(), or a function t -> rate"
        )
    counts = isinstance(per, int) and not isinstance(per, bool) and per >= 1
    if not (counts or per in (UPDATE, EPOCH)):
        raise UsageError(f"per={per!r}; expected 'update', 'epoch' or the number of updates that one advance lasts")
    return Schedule(given, 1 if per == UPDATE else None if per == EPOCH else per, bool(metric))
