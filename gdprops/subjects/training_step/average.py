"""The declared average of a model's weights, ``average=``, and the averaged copy that ``build`` returns.

``("ema", d)`` keeps a share d of itself at every update, ``("polyak", tau)`` a share 1 - tau, ``("swa",)`` is the mean
of all weights so far, and a function of t gives the share that is kept at the t-th update of the average, from t = 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

from torch import Tensor, nn

from gdprops.errors import UsageError, text_of
from gdprops.model.declared_parameters import unwrapped
from gdprops.model.nearest_name import nearest
from gdprops.model.wording import type_of
from gdprops.subjects.training_step.structures import number_in

EXPECTED = '("ema", decay), ("polyak", tau), ("swa",) or a function t -> decay'
COUNTER = "n_averaged"
INSIDE = ("module", "ema_model", "averaged_model", "ema", "shadow", "shadow_params", "averages")
"""Under which names libraries keep the averaged weights in their objects."""


@final
@dataclass(frozen=True, slots=True)
class Average:
    """``given``: as the user declares it; ``kept(t)``: the share of itself that the average keeps at its update t."""

    given: Any
    kept: Callable[[int], float]

    @property
    def parts(self) -> dict[str, Any]:
        """What is declared, by argument."""
        return {"average": list(self.given) if isinstance(self.given, tuple) else self.given}


def declared_average(given: Any) -> Average | None:
    """Return what ``average=`` declares. Raises `UsageError` for what is no average."""
    if given is None:
        return None
    if callable(given):
        return Average(given, lambda t: _share(given, t))
    if isinstance(given, tuple | list) and given:
        rule, *numbers = given
        if rule == "swa" and not numbers:
            return Average(tuple(given), lambda t: t / (t + 1))
        if rule in ("ema", "polyak") and len(numbers) == 1 and _is_share(numbers[0]):
            kept = float(numbers[0]) if rule == "ema" else 1 - float(numbers[0])
            return Average(tuple(given), lambda t: kept)
    raise UsageError(f"average={given!r}; expected {EXPECTED}")


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _share(given: Callable[[int], Any], t: int) -> float:
    try:
        found = number_in(given(t))
    except Exception as error:
        raise UsageError(f"average={given!r}: at t = {t} it raised {type(error).__name__}: {text_of(error)}") from error
    if found is None or not 0 <= found <= 1:
        raise UsageError(f"average={given!r}: at t = {t} it returned {found!r}; expected a share between 0 and 1")
    return found


def averaged_tensors(returned: Any, model: nn.Module, name: str) -> dict[str, Tensor]:
    """Return the tensors of an average by the model's own names. Raises `UsageError` where they are not the model's.

    What ``build`` has returned may be a module, a dict by name, a list in the order of the parameters, an object that
    holds one of these, or a function that returns it.
    """
    held = _held(returned)
    own = tensors_of(model)
    if isinstance(held, Mapping):
        plain = {_plain(key): key for key in own}
        found = {plain.get(_plain(str(key)), str(key)): value for key, value in held.items() if str(key) != COUNTER}
        unknown = next((key for key in found if key not in own), None)
        if unknown is not None:
            raise UsageError(f"{name}: the average has {unknown!r}, which the model has not{nearest(unknown, own)}")
        tensors = found
    elif isinstance(held, Sequence) and all(isinstance(value, Tensor) for value in held):
        tensors = _in_order(held, model, name)
    else:
        raise UsageError(f"{name}: the average is {type_of(held)}; expected a module, a dict of tensors, or a list")
    wrong = next((key for key, t in tensors.items() if not isinstance(t, Tensor) or t.shape != own[key].shape), None)
    if wrong is not None:
        raise UsageError(f"{name}: the average of {wrong} is no tensor of the shape {tuple(own[wrong].shape)}")
    if not any(key in tensors for key, _ in model.named_parameters()):
        raise UsageError(f"{name}: the average has none of the model's parameters")
    return dict(tensors)


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's parameters and buffers by name; a tied one stands under all of its names."""
    return {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers())}


def _held(returned: Any) -> Any:
    if isinstance(returned, nn.Module):
        return dict(_of_module(returned))
    if isinstance(returned, Mapping | list | tuple):
        return returned
    inside = next((key for key in INSIDE if hasattr(returned, key)), None)
    if inside is not None:
        return _held(getattr(returned, inside))
    return _held(returned()) if callable(returned) else returned


def _of_module(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)
    yield from ((name, b) for name, b in module.named_buffers() if name != COUNTER)


def _plain(key: str) -> str:
    """Return a name without what wrappers put before it."""
    return unwrapped(key)


def _in_order(held: Sequence[Tensor], model: nn.Module, name: str) -> dict[str, Tensor]:
    every = dict(model.named_parameters())
    trained = [key for key, p in every.items() if p.requires_grad]
    for names in (list(every), trained):
        if len(held) == len(names):
            return dict(zip(names, held, strict=True))
    raise UsageError(f"{name}: the average is a list of {len(held)} tensors; the model has {len(every)} parameters")


class Move(NamedTuple):
    """One update of the step: the model's tensors before and after it, and those of the average; all by name.

    ``shared`` says of each tensor of the average how many of its names are names of this one tensor.
    """

    before: Mapping[str, Tensor]
    after: Mapping[str, Tensor]
    was: Mapping[str, Tensor]
    now: Mapping[str, Tensor]
    buffers: frozenset[str]
    shared: Mapping[str, int]


@final
class AverageWatch:
    """The averaged copy that ``build`` has returned, looked at before and after every step."""

    def __init__(self, returned: Any, model: nn.Module, name: str) -> None:
        self._returned, self._model, self._name = returned, model, name
        self._buffers = frozenset(key for key, _ in model.named_buffers())
        self._before, self._was = self._weights(), self._averages()
        self.move: Move | None = None
        """What the last step has made of model and average."""

    def _weights(self) -> dict[str, Tensor]:
        return _copied(tensors_of(self._model))

    def _averages(self) -> dict[str, Tensor]:
        return _copied(averaged_tensors(self._returned, self._model, self._name))

    def numbers(self) -> list[Any]:
        """Return the numbers of the average as they are now."""
        return [t.double().numpy() for t in self._averages().values()]

    def begin(self) -> None:
        """Note where a step begins."""
        self._before, self._was = self._weights(), self._averages()

    def end(self) -> None:
        """Note where a step ends."""
        averages = averaged_tensors(self._returned, self._model, self._name)
        now = _copied(averages)
        was = {key: self._was.get(key, t) for key, t in now.items()}
        at = {key: (t.data_ptr(), t.shape) for key, t in averages.items()}
        names = Counter(at.values())
        shared = {key: names[place] for key, place in at.items()}
        self.move = Move(self._before, self._weights(), was, now, self._buffers, shared)

    def held_by(self, held: Iterable[Tensor]) -> tuple[str, ...]:
        """Return which of the average's tensors are among those that an optimizer holds."""
        theirs = set(map(id, held))
        found = averaged_tensors(self._returned, self._model, self._name)
        return tuple(key for key, t in found.items() if id(t) in theirs)


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: t.detach().clone() for key, t in tensors.items()}
