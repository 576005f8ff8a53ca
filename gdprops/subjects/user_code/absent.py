"""What stands for modules that cannot be imported, as long as nothing calls them.

A file's own import that fails leaves a name behind that says so when it is used. A helper module beside the file may
import a package that is not installed, too, for a data set or a plot: then the package stands empty while the helper is
imported, and what the helper defines with NumPy alone is there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container
from types import ModuleType
from typing import Any

from gdprops.subjects.user_code import progress_bars

COMPILERS = ("jit", "njit")
"""Decorators with arguments that make a function fast, and leave what it computes as it is: ``@jit(nopython=True)``."""
MISSED: list[str] = []
"""What was called although it could not be imported, the latest one last."""


class Absent:
    """Stands for a module or name that could not be imported: whatever is done with it says so."""

    def __init__(self, name: str, told: str) -> None:
        self.__dict__.update(_absent_name=name, _absent_told=told)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self._absent_name}.{name}", self._absent_told)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return a decorated function, or what a progress bar goes through; raise `ImportError` for any other call."""
        if len(args) == 1 and not kwargs and callable(args[0]):
            return args[0]
        name = self._absent_name.rpartition(".")[2]
        if name in COMPILERS:
            return lambda function: function
        if name in progress_bars.NAMES:
            goes_through = args[0] if args else kwargs.get("iterable")
            return progress_bars.SilentBar(range(*args) if isinstance(goes_through, int) else goes_through)
        told = f"{self._absent_name} is used, and could not be imported ({self._absent_told})"
        MISSED.append(told)
        raise ImportError(told)

    def __mro_entries__(self, bases: Any) -> Any:
        raise ImportError(f"{self._absent_name} is used, and could not be imported ({self._absent_told})")


class _Empty(ModuleType):
    """A package that is not installed: whatever is taken from it says so when it is called."""

    def __init__(self, name: str, told: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self._told = told

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}", self._told)


MOST_PACKAGES = 12


def without_packages(run: Callable[[], Any], error: ModuleNotFoundError, asked: Container[str]) -> dict[str, str]:
    """Run an import anew with empty packages in the place of those that its helper modules miss.

    ``error``: what it raised; ``asked``: the modules that it names itself, for which nothing stands.
    Returns the packages, each with why it is missing; nothing where the import fails all the same.
    """
    given = dict[str, str]()
    try:
        while error.name and error.name not in asked and len(given) < MOST_PACKAGES:
            given[error.name] = f"ModuleNotFoundError: {error}"
            sys.modules[error.name] = _Empty(error.name, given[error.name])
            try:
                run()
            except ModuleNotFoundError as another:
                if another.name in given:
                    return {}
                error = another
            except Exception:  # it cannot do without them
                return {}
            else:
                return given
        return {}
    finally:
        for name in given:
            sys.modules.pop(name, None)
