"""The user's own model, batches and loss: a fresh model for every example, with its weights drawn anew."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor, nn

from gdprops.errors import SubjectCrash, Unsupported, UsageError, text_of
from gdprops.model.domain import OwnSource
from gdprops.model.wording import type_of
from gdprops.numerics.decisions import CONSTANT_SPREAD, DOUBLE, LARGE_MODEL
from gdprops.subjects.training_step.own.model_numbers import put_in, tensors_of
from gdprops.subjects.training_step.own.redraw import model_like
from gdprops.subjects.training_step.structures import copied, in_dtype, joined, rows_in, rows_of
from gdprops.subjects.training_step.tasks import ALL, Data
from gdprops.subjects.user_code.isolation import RandomState, seed_random_numbers
from gdprops.subjects.user_code.signatures import can_take

if TYPE_CHECKING:
    from gdprops.model.arrays import Array
    from gdprops.model.case import OwnCase
    from gdprops.model.subject import Calling
    from gdprops.subjects.training_step.tasks import Objective

OBJECTIVE = "objective(model, inputs, targets)"


@final
@dataclass(frozen=True, slots=True)
class OwnModels:
    """The user's models, batches and loss, as declared.

    ``shared``: the models that ``models()`` returns share storage, so gdprops copies every one of them.
    """

    models: Any
    batches: Any
    loss: Any = None
    objective: Objective | None = None
    shared: bool = False

    @property
    def source(self) -> OwnSource:
        """The strategies that the cases draw from; None where the user gave a function instead."""
        return OwnSource(
            None if callable(self.models) else self.models, None if callable(self.batches) else self.batches
        )

    def model(self, case: OwnCase, calls: Calling) -> nn.Module:
        """Return a fresh model: from a function it gets the case's weights, from a strategy it keeps those drawn."""
        if case.model is not None:
            return _copied(case.model)
        model = self._fresh(calls) if callable(self.models) else model_like(self.models, case.form)
        if case.arrays:
            put_in(model, case.arrays)
        else:
            redraw(model, case.cards)
        return model

    def _fresh(self, calls: Calling) -> nn.Module:
        with calls.to("models()"):
            found = self.models()
        if not isinstance(found, nn.Module):
            raise UsageError(f"models() returned {type_of(found)}; expected a torch.nn.Module")
        return _copied(found) if self.shared else found

    def batch(self, given: Any, calls: Calling) -> Data:
        """Return the inputs and targets of one call of the step.

        ``given`` is an index for the user's function, or a pair that a strategy has drawn or that was saved. Raises
        `Unsupported` past the last of finitely many batches: there is nothing to check.
        """
        found = given
        if callable(self.batches) and isinstance(given, int):
            try:
                with calls.to(f"batches({given})"):
                    found = self.batches(given)
            except SubjectCrash as crash:
                if isinstance(crash.error, LookupError | StopIteration):
                    raise Unsupported(f"there is no batch {given}: {crash}") from crash
                raise
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise UsageError(f"batches= gave {type_of(found)}; expected a pair (inputs, targets)")
        return Data(*copied(tuple(found)))


def _copied(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise UsageError(
            f"the model cannot be copied ({type(error).__name__}: {text_of(error)}); let models= build a new one at "
            "every call"
        ) from error


def share_storage(a: nn.Module, b: nn.Module) -> bool:
    """Say whether two modules share the memory of a parameter or buffer."""
    held = {t.data_ptr() for t in (*a.parameters(), *a.buffers()) if t.numel()}
    return a is b or any(t.data_ptr() in held for t in (*b.parameters(), *b.buffers()) if t.numel())


@torch.no_grad()
def redraw(model: nn.Module, cards: bytes) -> None:
    """Draw every floating-point parameter anew, with the mean and the spread that it had.

    The numbers of a small model come from the cards, which are random bytes: one card for one number. For a large model
    the cards are a seed: the numbers of each parameter change places, or are drawn where they are all equal.
    """
    moving = [p for p in model.parameters() if p.is_floating_point()]
    numbers, taken = _tenths(cards), 0
    large = sum(p.numel() for p in moving) > LARGE_MODEL
    generator = torch.Generator().manual_seed(int.from_bytes(cards[:7], "big"))
    for p in moving:
        spread = float(p.std()) if p.numel() > 1 else 0.0
        if large and spread:
            p.copy_(p.flatten().roll(1 + int.from_bytes(cards[:7], "big") % p.numel()).view_as(p))
            continue
        mean, wide = float(p.mean()) if p.numel() else 0.0, spread or CONSTANT_SPREAD
        if large:
            p.normal_(mean, wide, generator=generator)
        else:
            drawn = np.take(numbers, np.arange(taken, taken + p.numel()), mode="wrap")
            taken += p.numel()
            p.copy_(mean + wide * torch.from_numpy(drawn).reshape(p.shape))


def _tenths(cards: bytes) -> Array:
    """Return one number for every card: 1/10, -1/10, 2/10, … up to 2 in absolute value."""
    k = np.frombuffer(cards, dtype=np.uint8).astype(np.float64)
    return np.asarray((1 + k // 2 % 20) / 10 * (1 - 2 * (k % 2)))


@final
class OwnTask:
    """The task of a case of the user's own model: the model, the loss and the batches."""

    def __init__(self, own: OwnModels, case: OwnCase, calls: Calling) -> None:
        self._own, self._case, self._calls = own, case, calls
        self._fetched: dict[int, list[Data]] = {}
        self._dtype: torch.dtype | None = torch.float64 if case.precision == DOUBLE else None

    def model(self, *, ours: bool = False) -> nn.Module:
        """Return a fresh model, in float64 where the case says so; batches are given in its dtype, if it has one."""
        model = self._own.model(self._case, self._calls)
        if self._case.precision == DOUBLE:
            return model.double()
        self._dtype = dtype_of(model)
        return model

    def handed(self, model: nn.Module) -> nn.Module:
        """Return a copy of a fresh model; what cannot be copied is made again, from the case's random numbers."""
        try:
            return copy.deepcopy(model)
        except Exception:  # whatever its parts raise
            return self.anew()

    def anew(self) -> nn.Module:
        """Return a model that is made as the first one was, from the case's random numbers."""
        random = RandomState()
        seed_random_numbers(self._case.plan.seed)
        found = self.model()
        random.put()
        return found

    def fresh(self) -> None:
        """Return None: what a user's model holds beside its weights is seen in a copy only."""

    def criterion(self) -> Any:
        """Return what ``build`` is given beside the model: the user's loss or objective."""
        return self._own.objective or copy.deepcopy(self._own.loss)

    def objective(self, model: nn.Module, data: Data) -> Tensor:
        """Return the loss J, by the user's loss or objective."""
        what = OBJECTIVE if self._own.objective is not None else "loss(model(inputs), targets)"
        with self._calls.to(what):
            if self._own.objective is not None:
                return self._own.objective(model, data.inputs, data.targets)
            loss: Tensor = self._own.loss(outputs_of(model, data.inputs), data.targets)
            return loss

    def calls(self, t: int) -> list[Data]:
        """Return copies of what the step is called with in logical step t."""
        return [Data(*copied(tuple(data))) for data in self._window(t)]

    def whole(self, t: int, rows: slice = ALL) -> Data:
        """Return copies of all data of logical step t, or of some of its rows."""
        data = Data(*copied(joined([tuple(part) for part in self._window(t)])))
        return data if rows == ALL else Data(*rows_of(tuple(data), rows))

    def rows(self, t: int) -> int:
        """Return how many rows logical step t has."""
        return sum(rows_in(tuple(data)) for data in self._window(t))

    @property
    def steps(self) -> int:
        """How many logical steps there are."""
        return len(self._case.batches)

    def _window(self, t: int) -> list[Data]:
        if t not in self._fetched:
            found = [self._own.batch(given, self._calls) for given in self._case.batches[t]]
            dtype = self._dtype
            self._fetched[t] = found if dtype is None else [Data(*in_dtype(tuple(data), dtype)) for data in found]
        return self._fetched[t]


def dtype_of(model: nn.Module) -> torch.dtype | None:
    """Return the one dtype of a model's floating-point tensors where that is float32 or float64, None for others."""
    found = {t.dtype for _, t in tensors_of(model) if t.is_floating_point()}
    return found.pop() if found in ({torch.float32}, {torch.float64}) else None


def outputs_of(model: nn.Module, inputs: Any) -> Any:
    """Call a model the way its ``forward`` allows: with a dict as keywords, with a tuple as positional arguments."""
    if isinstance(inputs, dict) and can_take(model.forward, **inputs):
        return model(**inputs)
    if isinstance(inputs, tuple | list) and can_take(model.forward, *inputs):
        return model(*inputs)
    return model(inputs)


def own_models(models: Any, batches: Any, loss: Any, objective: Any) -> OwnModels | None:
    """Return the declaration in ``models=``, ``batches=``, ``loss=`` and ``objective=``; None where none is given.

    Raises `UsageError` where they do not fit together.
    """
    given = {"models": models, "batches": batches, "loss": loss, "objective": objective}
    if all(value is None for value in given.values()):
        return None
    if models is None or batches is None:
        missing = "models" if models is None else "batches"
        held = ", ".join(f"{key}=" for key, value in given.items() if value is not None)
        raise UsageError(f"{held} without {missing}=; the user's own model needs models= and batches=")
    for key in ("models", "batches"):
        if not callable(given[key]) and not _is_strategy(given[key]):
            raise UsageError(f"{key}={given[key]!r}; expected a function, or a Hypothesis strategy")
    if (loss is None) == (objective is None):
        raise UsageError(
            "models= needs one of loss=, a criterion (outputs, targets) -> scalar, and "
            f"objective=, {OBJECTIVE} -> scalar"
        )
    for key in ("loss", "objective"):
        if given[key] is not None and not callable(given[key]):
            raise UsageError(f"{key}={given[key]!r}; expected a function")
    return OwnModels(models, batches, loss, objective)


def _is_strategy(value: Any) -> bool:
    from hypothesis.strategies import SearchStrategy

    return isinstance(value, SearchStrategy)


def require_float(model: nn.Module) -> None:
    """Require parameters in float32 or float64 on the CPU. Raises `UsageError`."""
    for name, p in model.named_parameters():
        if p.device.type != "cpu" or (p.is_floating_point() and p.dtype not in (torch.float32, torch.float64)):
            raise UsageError(
                f"models(): {name} is {str(p.dtype).removeprefix('torch.')} on {p.device}; expected float32 or float64 "
                "on the CPU"
            )


def is_large(model: nn.Module) -> bool:
    """Say whether a model is so large that it keeps its own dtype, and its weights are drawn from a seed."""
    return sum(p.numel() for p in model.parameters()) > LARGE_MODEL
