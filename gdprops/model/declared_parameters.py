"""Which parameters the user declares to be trained or frozen: ``trains=`` and ``frozen=``, patterns of their names.

``frozen="body.*"`` says that every parameter whose name begins with body. rests for ever, ``trains="head.*"`` that the
optimizer holds every one of the head. Steps may be stated, counted from 1: ``frozen={"body.*": range(1, 4)}`` says that
the body rests at steps 1 to 3 and trains from step 4 on. Names are those that the model has after ``build``, with or
without what wrappers such as DistributedDataParallel and torch.compile put into them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, final

from gdprops.errors import UsageError
from gdprops.model.nearest_name import nearest

WRAPPERS = frozenset(
    ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module", "_module")
)
"""What wrappers of modules put into the names of parameters, between dots."""
Steps = Collection[int]
EXPECTED = (
    'expected patterns of parameter names, such as "body.*" or ["body.*", "head.bias"], or steps by pattern, counted '
    'from 1: {"body.*": range(1, 4)}'
)


@final
@dataclass(frozen=True, slots=True)
class Role:
    """What is declared of one parameter: at which steps it trains and at which it rests.

    ``rests``: for ever, or at the ``steps``; otherwise it trains for ever, or at the ``steps``. At other steps than the
    stated ones it does the opposite.
    """

    rests: bool
    steps: tuple[Steps, ...] = ()

    def rests_at(self, step: int) -> bool:
        """Say whether the parameter rests at a step; steps count from 1."""
        stated = any(step in steps for steps in self.steps)
        return self.rests == (stated or not self.steps)

    @property
    def told(self) -> str:
        """The argument that declares it."""
        return "frozen=" if self.rests else "trains="


@final
@dataclass(frozen=True, slots=True)
class DeclaredParameters:
    """What ``trains=`` and ``frozen=`` say, by pattern: at which steps, or None for all of them."""

    trains: Mapping[str, Steps | None]
    frozen: Mapping[str, Steps | None]

    def __bool__(self) -> bool:
        """Say whether anything is declared."""
        return bool(self.trains or self.frozen)

    def shown_after(self, most: int) -> int:
        """Return after how many steps, ``most`` at most, every parameter with stated steps has rested and trained."""
        stated = [steps for steps in (*self.trains.values(), *self.frozen.values()) if steps is not None]
        first = [next((n for n in range(2, most) if (n in steps) is not (1 in steps)), most) for steps in stated]
        return max(first, default=1)

    @property
    def parts(self) -> dict[str, Any]:
        """What is declared as plain data, by argument."""
        return {"trains": _plain(self.trains), "frozen": _plain(self.frozen)}

    def role(self, names: Sequence[str], *, given_frozen: bool) -> Role | None:
        """Return what is declared of a parameter with these names, None for nothing; a tied one has several names.

        ``given_frozen``: the model that ``build`` was given had frozen it, which counts where nothing else is said.
        """
        trains, frozen = ([steps for _, steps in _naming(given, names)] for given in (self.trains, self.frozen))
        stated = [steps for steps in (frozen or trains) if steps is not None]
        if frozen:
            return Role(rests=True, steps=() if None in frozen else tuple(stated))
        if trains:
            return Role(rests=False, steps=() if None in trains else tuple(stated))
        return Role(rests=True) if self and given_frozen else None

    def require_matches(self, names: Sequence[Sequence[str]]) -> None:
        """Require that every pattern names a parameter, and that no parameter is said to train and to rest.

        ``names``: the names of each parameter. Raises `UsageError`.
        """
        flat = [name for several in names for name in several]
        for key, given in (("trains", self.trains), ("frozen", self.frozen)):
            for pattern in given:
                if not any(_matches(name, pattern) for name in flat):
                    near = nearest(pattern, _known(flat))
                    raise UsageError(f"{key}={pattern!r} matches the name of no parameter of the model{near}")
        for several in names:
            for said, steps in _naming(self.trains, several):
                for other, rest in _naming(self.frozen, several):
                    if steps is not None or rest is None:
                        both = f"trains={said!r} and frozen={other!r}"
                        raise UsageError(f"{both} both name {several[0]}; expected patterns that name it once")


def declared_parameters(trains: Any, frozen: Any) -> DeclaredParameters:
    """Return what ``trains=`` and ``frozen=`` declare. Raises `UsageError` for what is no pattern and no steps."""
    return DeclaredParameters(_patterns("trains", trains), _patterns("frozen", frozen))


def _patterns(key: str, given: Any) -> dict[str, Steps | None]:
    if given is None:
        return {}
    found = dict(given) if isinstance(given, Mapping) else None
    if isinstance(given, Iterable) and found is None:
        found = dict.fromkeys([given] if isinstance(given, str) else given)
    if not found or not all(isinstance(pattern, str) and pattern for pattern in found):
        raise UsageError(f"{key}={given!r}; {EXPECTED}")
    return {pattern: _steps(key, pattern, steps, isinstance(given, Mapping)) for pattern, steps in found.items()}


def _steps(key: str, pattern: str, given: Any, stated: bool) -> Steps | None:
    if not stated:
        return None
    found: Steps | None = given if isinstance(given, range) else None
    if found is None and isinstance(given, list | tuple | set | frozenset):
        found = frozenset(given)
    whole = isinstance(found, range) or (found and all(isinstance(n, int) and not isinstance(n, bool) for n in found))
    if not found or not whole or _least(found) < 1:
        raise UsageError(f"{key}={{{pattern!r}: {given!r}}}; expected steps, counted from 1, such as range(1, 4)")
    return found


def _least(steps: Steps) -> int:
    return min(steps[0], steps[-1]) if isinstance(steps, range) else min(steps)


def _plain(given: Mapping[str, Steps | None]) -> dict[str, Any]:
    return {
        pattern: steps if steps is None else repr(steps) if isinstance(steps, range) else sorted(steps)
        for pattern, steps in given.items()
    }


def _naming(given: Mapping[str, Steps | None], names: Sequence[str]) -> Iterator[tuple[str, Steps | None]]:
    """Yield the patterns that one of a parameter's names matches."""
    for pattern, steps in given.items():
        if any(_matches(name, pattern) for name in names):
            yield pattern, steps


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(unwrapped(name), pattern)


def unwrapped(name: str) -> str:
    """Return a parameter's name without what wrappers of modules put into it."""
    *modules, last = name.split(".")
    return ".".join((*(part for part in modules if part not in WRAPPERS), last))


def _known(names: Iterable[str]) -> Iterator[str]:
    """Yield what a pattern may have meant: parameters, and all of a module's."""
    for name in map(unwrapped, names):
        yield name
        modules = name.split(".")[:-1]
        yield from (f"{'.'.join(modules[:k])}.*" for k in range(1, len(modules) + 1))
