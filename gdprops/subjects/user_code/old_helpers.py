"""Helper modules whose old names are read as what they were: ``np.int`` in a ``utils.py`` beside the file."""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import final

from gdprops.subjects.user_code.old_names import with_new_names


@final
class OldHelpers:
    """Finds the modules of the user's own folders, and notes which old names they hold."""

    def __init__(self, is_installed: Callable[[str | None], bool]) -> None:
        self._is_installed = is_installed
        self.told = list[str]()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return how a module of the user's own is loaded; None for any other."""
        found = importlib.machinery.PathFinder.find_spec(name, path, target)
        if found is None or type(found.loader) is not importlib.machinery.SourceFileLoader:
            return None
        if self._is_installed(found.origin):
            return None
        found.loader = _Loader(found.loader.name, str(found.loader.path), self.told)
        return found

    @contextmanager
    def present(self) -> Iterator[None]:
        """Let modules be found so, before any other way."""
        sys.meta_path.insert(0, self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)


class _Loader(importlib.machinery.SourceFileLoader):
    """Loads a module with the names of today in the place of old ones; nothing is stored beside the file."""

    def __init__(self, name: str, path: str, told: list[str]) -> None:
        super().__init__(name, path)
        self._told = told

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the module's code, compiled from its text."""
        text = self.get_data(self.path)
        try:
            tree = ast.parse(text, self.path)
            said = with_new_names(tree)
        except (SyntaxError, ValueError):
            return super().get_code(fullname)
        if not said:
            return super().get_code(fullname)
        self._told += [f"{one[:-1]} of {Path(self.path).name})" for one in said]
        return compile(tree, self.path, "exec", dont_inherit=True)
