"""Modules that load when a check first needs them: reading the specification loads neither numpy nor hypothesis."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any, final


@final
class LazyModule(ModuleType):
    """A module by name, imported at the first attribute that is asked of it."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self.__name__), attribute)


def lazy(name: str) -> ModuleType:
    """Return a stand-in for a module that is imported on first use."""
    return LazyModule(name)
