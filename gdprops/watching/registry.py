"""Numbers for all that a watched run has; nothing is kept alive: what is gone is known by its number only."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import torch
from torch.nn.parameter import UninitializedParameter

from gdprops.model.ledger import Optimizer, Parameter
from gdprops.subjects.user_code.running_line import variable_of
from gdprops.watching.living_objects import objects_of
from gdprops.watching.module_kinds import depends_on_mode, has_rule_of_its_own, is_parallel

if TYPE_CHECKING:
    from torch import Tensor, nn

    from gdprops.model.code_place import Place


@final
class Numbers:
    """Numbers objects in the order in which they are met, without keeping them alive.

    An object that is let go is known by its address alone, without a weak reference to it: torch swaps no tensors that
    have one.
    """

    def __init__(self) -> None:
        self._found: dict[int, tuple[weakref.ref[Any] | None, int]] = {}
        self._last = 0

    def of(self, value: Any) -> int:
        """Return the number of an object, a new one where it is met for the first time."""
        known = self.known(value)
        if known is not None:
            return known
        self._last += 1
        self._found[id(value)] = (weakref.ref(value), self._last)
        return self._last

    def known(self, value: Any) -> int | None:
        """Return the number of an object that was met before."""
        found = self._found.get(id(value))
        return found[1] if found is not None and (found[0] is None or found[0]() is value) else None

    def let_go(self, value: Any) -> None:
        """Keep no weak reference to an object any more."""
        self._found[id(value)] = (None, self._found[id(value)][1])

    def take_back(self, value: Any) -> None:
        """Keep a weak reference again."""
        self._found[id(value)] = (weakref.ref(value), self._found[id(value)][1])


@final
@dataclass(slots=True)
class Sighted:
    """A parameter that was met, with its name in the outermost module that has it."""

    reference: weakref.ref[Tensor] | None
    name: str
    module: int | None
    trainable: bool
    shape: tuple[int, ...]
    handle: Any = None
    owner: int | None = None
    replicated: bool = False
    meant_frozen: bool = False

    @property
    def tensor(self) -> Tensor | None:
        """The parameter, None where it is gone or was let go."""
        return None if self.reference is None else self.reference()


@final
@dataclass(slots=True)
class Module:
    """An outermost module: how it is called, its parameters, and whether a layer of it depends on the mode."""

    label: str
    identities: list[int] = field(default_factory=list)
    parameters: list[int] = field(default_factory=list)
    varies: bool = False


@final
@dataclass(slots=True)
class Stepper:
    """An optimizer that was met."""

    name: str
    reference: weakref.ref[Any]
    holds: frozenset[int] = frozenset()
    made_at: Place | None = None
    remembers: bool = False
    nested: bool = False


@final
class Registry:
    """Everything that was met, by number. ``on_sight(number, tensor)`` is told of each new parameter."""

    def __init__(self, on_sight: Callable[[int, Tensor], Any]) -> None:
        self._on_sight = on_sight
        self._numbers, self._module_numbers, self._optimizer_numbers = Numbers(), Numbers(), Numbers()
        self.others = Numbers()
        self.ran: set[int] = set()
        self.sighted: dict[int, Sighted] = {}
        self.modules: dict[int, Module] = {}
        self.optimizers: dict[int, Stepper] = {}

    def parameter(self, tensor: Tensor, name: str = "", module: int | None = None) -> int:
        """Return the number of a parameter; a new one is hooked as soon as it asks for a gradient."""
        number = self._numbers.of(tensor)
        known = self.sighted.get(number)
        if known is None:
            known = Sighted(weakref.ref(tensor), name, module, tensor.requires_grad, _shape(tensor))
            self.sighted[number] = known
        elif known.module is None and module is not None:
            known.name, known.module = name, module
        if known.handle is None and tensor.requires_grad and not isinstance(tensor, UninitializedParameter):
            known.trainable = True
            known.handle = self._on_sight(number, tensor)
        return number

    def known_parameter(self, tensor: Tensor) -> int | None:
        """Return the number of a tensor if it is a parameter that was met."""
        return self._numbers.known(tensor)

    def module(self, module: nn.Module) -> tuple[int, list[tuple[int, Tensor]], bool]:
        """Return an outermost module's number, its parameters, and whether a layer of it depends on the mode."""
        number = self._module_numbers.of(module)
        known = self.modules.get(number)
        if known is None:
            known = self.modules[number] = Module(variable_of(module) or type(module).__name__)
        tensors: list[Tensor] = []
        collect(module, tensors)
        identities = [id(tensor) for tensor in tensors]
        if identities != known.identities:
            self._learn(module, number, known)
            known.identities = identities
        return number, self._living(known), known.varies

    def _learn(self, module: nn.Module, number: int, known: Module) -> None:
        known.varies = any(depends_on_mode(part) for part in module.modules())
        known.parameters = []
        for name, tensor in module.named_parameters():
            if tensor.is_leaf:
                known.parameters.append(self.parameter(tensor, name, number))
        for part in module.modules():
            if vars(part).get("requires_grad") is False:
                for tensor in part.parameters():
                    self.sighted[self.parameter(tensor)].meant_frozen = True
        self.mark_replicated(module)

    def mark_replicated(self, module: nn.Module) -> None:
        """Note whether torch keeps a module's parameters equal in all processes."""
        if is_parallel(module):
            for tensor in module.parameters():
                number = self._numbers.known(tensor)
                if number is not None:
                    self.sighted[number].replicated = not has_rule_of_its_own(module)

    def _living(self, known: Module) -> list[tuple[int, Tensor]]:
        found = []
        for number in known.parameters:
            tensor = self.sighted[number].tensor
            if tensor is not None:
                if self.sighted[number].handle is None and tensor.requires_grad:
                    self.parameter(tensor)
                found.append((number, tensor))
        return found

    def optimizer(self, optimizer: Any, made_at: Place | None = None) -> int:
        """Return the number of an optimizer."""
        number = self._optimizer_numbers.of(optimizer)
        if number not in self.optimizers:
            self.optimizers[number] = Stepper(type(optimizer).__name__, weakref.ref(optimizer))
        if made_at is not None:
            self.optimizers[number].made_at = made_at
        return number

    def stepper_of(self, optimizer: Any, stepped: Collection[int]) -> int:
        """Return the number of an optimizer, or of its wrapper, or of what it wraps, if that has stepped for it."""
        own = self.optimizer(optimizer)
        groups = set(map(id, optimizer.param_groups))
        for number in () if own in stepped else stepped:
            found = self.optimizers[number].reference()
            if found is not None and groups & set(map(id, found.param_groups)):
                return number
        return own

    def let_go(self, tensor: Tensor) -> None:
        """Keep neither a weak reference to a parameter nor a hook on it."""
        number = self._numbers.known(tensor)
        if number is not None:
            self._numbers.let_go(tensor)
            unhook(self.sighted[number])
            self.sighted[number].reference = None

    def take_back(self, tensor: Tensor) -> None:
        """Look at a parameter again that was let go."""
        number = self._numbers.known(tensor)
        if number is not None:
            self._numbers.take_back(tensor)
            self.sighted[number].reference = weakref.ref(tensor)
            self.parameter(tensor)

    def release(self) -> None:
        """Let every parameter go."""
        for _, tensor in self.living():
            self.let_go(tensor)

    def living(self) -> list[tuple[int, Tensor]]:
        """Return every parameter that was met and still exists."""
        return [(n, tensor) for n, one in self.sighted.items() if (tensor := one.tensor) is not None]

    def find_owners(self, numbers: Collection[int]) -> None:
        """Find out which modules have these parameters; every object of the process is looked at, hence seldom."""
        wanted = {id(tensor): n for n in numbers if (tensor := self.sighted[n].tensor) is not None}
        for found in objects_of(torch.nn.Module):
            for tensor in vars(found).get("_parameters", {}).values():
                if id(tensor) in wanted:
                    self.sighted[wanted[id(tensor)]].owner = id(found)

    def meet_parts_that_ran(self, tensors: Sequence[Tensor], module: int) -> None:
        """Meet those of some parameters that belong to a module whose forward ran inside an outermost one."""
        wanted = {id(tensor): tensor for tensor in tensors}
        for found in objects_of(torch.nn.Module):
            if id(found) in self.ran:
                for name, tensor in vars(found).get("_parameters", {}).items():
                    if id(tensor) in wanted:
                        self.parameter(tensor, f"{name} of a hidden {type(found).__name__}", module)

    def named_parameters(self) -> dict[int, Parameter]:
        """Return what is known of each parameter; names that stand for several get their module's name in front."""
        counts = Counter(one.name for one in self.sighted.values() if one.module is not None)
        return {number: self._described(one, counts) for number, one in self.sighted.items()}

    def _described(self, one: Sighted, counts: Counter[str]) -> Parameter:
        idle = one.owner is not None and one.owner not in self.ran
        if one.module is None:
            return Parameter(f"a tensor of shape {one.shape}", None, one.trainable, idle)
        name = f"{self.modules[one.module].label}.{one.name}" if counts[one.name] > 1 else one.name
        return Parameter(name, one.module, one.trainable, idle, one.replicated, one.meant_frozen)

    def known_optimizers(self) -> dict[int, Optimizer]:
        """Return what is known of each optimizer."""
        return {n: Optimizer(o.name, o.holds, o.made_at, o.remembers, o.nested) for n, o in self.optimizers.items()}


def unhook(one: Sighted) -> None:
    """Take our hook off a parameter, and what torch made for it."""
    tensor = one.tensor
    if one.handle is not None:
        one.handle.remove()
        one.handle = None
        if tensor is not None and not tensor._backward_hooks:
            tensor._backward_hooks = None


def _shape(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape of a parameter; a lazy one has none before its first forward pass."""
    return () if isinstance(tensor, UninitializedParameter) else tuple(tensor.shape)


def collect(module: nn.Module, found: list[Tensor]) -> None:
    """Append every parameter of a module and its parts."""
    for tensor in module._parameters.values():
        if tensor is not None:
            found.append(tensor)
    for part in module._modules.values():
        if part is not None:
            collect(part, found)
