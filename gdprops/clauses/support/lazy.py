"""Modules that are imported only when a check first uses them.

``gdprops show`` reads the clauses without running a check, and must start fast: it must load neither numpy nor
hypothesis. So chapters write ``workbench = lazy("gdprops.clauses.support.workbench")`` in place of an import.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any, final


@final
class LazyModule(ModuleType):
    """A stand-in for a module, which imports the module when the first of its attributes is read."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(sys.modules.get(self.__name__) or importlib.import_module(self.__name__), attribute)


def lazy(name: str) -> ModuleType:
    """Return a stand-in for the module of this name; the module is imported on first use."""
    return LazyModule(name)
