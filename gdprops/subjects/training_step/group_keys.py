"""Numbers in an optimizer's parameter groups that nobody reads.

``torch.optim.SGD([{"params": body, "lr_scale": 0.1}], lr=0.1)`` accepts any key, and SGD does not know ``lr_scale``:
the body trains at the full rate. The step is built once more with groups that record who reads them, and takes a few
steps. What neither the optimizer, a scheduler nor the step has looked at by then does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import torch

from gdprops.errors import GdpropsError
from gdprops.subjects.training_step.begin import task_of
from gdprops.subjects.training_step.returned import returned
from gdprops.subjects.user_code.isolation import seed_random_numbers
from gdprops.subjects.user_code.signatures import parameters_of

if TYPE_CHECKING:
    from gdprops.subjects.training_step.declaration import Declaration
    from gdprops.subjects.training_step.tasks import Task

TRIED_STEPS = 12
"""A schedule that acts now and then has read its keys within so many steps."""


def unread_keys(declared: Declaration, case: Any) -> tuple[str, ...]:
    """Return the numeric keys that ``build`` gives the groups of its optimizer and that nobody reads, sorted.

    Nothing is returned where the step cannot be run so: this is a trial beside the others.
    """
    groups = list[RecordingGroup]()
    try:
        seed_random_numbers(case.plan.seed)
        with _recorded(groups):
            _run(declared, task_of(declared, case), groups)
    except (GdpropsError, TypeError, ValueError):
        return ()
    given = {key for group in groups for key in group.given}
    return tuple(sorted(given - {key for group in groups for key in group.read}))


def _run(declared: Declaration, task: Task, groups: list[RecordingGroup]) -> None:
    with declared.calls.to(f"{declared.name}(model, loss_fn)"):
        built = declared.build(task.model(), task.criterion())
    step = returned(built, declared.name, declared.phases).step
    if not any(group.given for group in groups):
        return
    told_last = "last" in (parameters_of(step) or {})
    for _ in range(TRIED_STEPS):
        calls = task.calls(0)
        for number, data in enumerate(calls, start=1):
            with declared.calls.to("step(inputs, targets)"):
                step(*data, **({"last": number == len(calls)} if told_last else {}))


@contextmanager
def _recorded(groups: list[RecordingGroup]) -> Iterator[None]:
    """Let every optimizer that is built have groups that record who reads them."""
    plain = torch.optim.Optimizer.add_param_group

    def add_param_group(optimizer: torch.optim.Optimizer, given: dict[str, Any]) -> None:
        plain(optimizer, given)
        group = RecordingGroup(optimizer.param_groups[-1])
        group.given = {key for key in given if key not in optimizer.defaults and _is_number(given[key])}
        optimizer.param_groups[-1] = group
        groups.append(group)

    torch.optim.Optimizer.add_param_group = add_param_group  # type: ignore[assignment] # put back below
    try:
        yield
    finally:
        torch.optim.Optimizer.add_param_group = plain  # type: ignore[method-assign] # as it was


def _is_number(value: Any) -> bool:
    """Say whether a value is a number: names and lists may be there for people."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@final
class RecordingGroup(dict[str, Any]):
    """A parameter group that records which of its keys are read; ``given``: numbers that the user has put there."""

    def __init__(self, group: dict[str, Any]) -> None:
        super().__init__(group)
        self.given, self.read = set[str](), set[str]()

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.read.add(str(key))
        return super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        return iter(list(super().keys()))  # so that dict(group) and **group go through __getitem__

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, and record that it is read."""
        self.read.add(key)
        return super().get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a value, and record that it is read."""
        self.read.add(key)
        return super().setdefault(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        """Return a value and take it out, and record that it is read."""
        self.read.add(key)
        return super().pop(key, *default)

    def items(self) -> Any:
        """Return all pairs, and record that all are read."""
        self.read.update(super().keys())
        return super().items()

    def values(self) -> Any:
        """Return all values, and record that all are read."""
        self.read.update(super().keys())
        return super().values()

    def copy(self) -> dict[str, Any]:
        """Return a plain copy, and record that all are read."""
        return dict(self.items())

    def __reduce__(self) -> Any:
        return dict, (list(self.items()),)
