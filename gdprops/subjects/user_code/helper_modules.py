"""The helper modules of one file of the user's: they are there while its code runs, and only then.

Two students may each have a ``lib/activation.py``. What a file imports from outside the installed packages, and what it
puts on ``sys.path``, is taken away again after each call into it, and put back for the next: so the second student's
``import activation`` finds the second student's module, whatever was checked before.
"""

from __future__ import annotations

import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import final

from gdprops.subjects.user_code.import_roots import import_roots, package_of
from gdprops.subjects.user_code.importing import LOADED, content_of, loaded_as
from gdprops.subjects.user_code.old_helpers import OldHelpers

_INSTALLED = tuple(
    {
        Path(where).resolve()
        for where in (
            *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")),
            site.getusersitepackages(),
            str(Path(__file__).resolve().parents[2]),  # gdprops itself
        )
    }
)


@lru_cache(maxsize=4096)
def is_installed(where: str | None) -> bool:
    """Say whether a file belongs to Python, to an installed package or to gdprops, and not to the user's own code."""
    if where is None:
        return True
    path = Path(where).resolve()
    if "site-packages" in path.parts:
        return True
    return any(path.is_relative_to(root) for root in _INSTALLED)


@final
class HelperModules:
    """The modules and the entries of ``sys.path`` that one file brought along.

    ``reads_old_names``: whether names that Python or NumPy took away are read as what they were.
    """

    def __init__(self, *folders: Path, further: Iterable[Path] = ()) -> None:
        self._path: list[str] = [str(one) for one in folders]
        self._behind: list[str] = [str(one) for one in further]
        self._modules: dict[str, ModuleType] = {}
        self._texts: dict[Path, bytes] = {}
        self._old = OldHelpers(is_installed)
        self.reads_old_names = False

    @property
    def told(self) -> tuple[str, ...]:
        """What of the helpers was read otherwise than it is written, as sentences."""
        return tuple(dict.fromkeys(self._old.told))

    @property
    def folder(self) -> str | None:
        """The file's own folder, where helper modules were found beside it; None where nothing is needed from there."""
        beside = any(str(_file_of(m)).startswith(entry) for m in self._modules.values() for entry in self._path[:1])
        return self._path[0] if beside else None

    @property
    def modules(self) -> tuple[ModuleType, ...]:
        """The modules of the user's that the file has imported so far."""
        return tuple(self._modules.values())

    @property
    def root(self) -> Path | None:
        """The last folder from which modules are imported, beside the file's own: the root of its repository."""
        folders = [*self._path[1:], *self._behind]
        return Path(folders[-1]) if folders else None

    def name_of(self, path: Path) -> str:
        """Return the dotted name by which a file is imported as a helper, from the farthest folder that has it."""
        for entry in (*self._behind[::-1], *self._path[::-1]):
            if path.is_relative_to(entry):
                return ".".join(path.relative_to(entry).with_suffix("").parts).removesuffix(".__init__")
        return ""

    @contextmanager
    def present(self) -> Iterator[None]:
        """Let the file's code run: its helpers can be imported, and what it imports is kept for its next run."""
        path, count = list(sys.path), len(sys.modules)
        hidden = {name: sys.modules[name] for name in self._modules if name in sys.modules}
        sys.path[:0] = [entry for entry in self._path if entry not in path]
        sys.path += [entry for entry in self._behind if entry not in sys.path]
        sys.modules.update(self._modules)
        try:
            with self._old.present() if self.reads_old_names else nullcontext():
                yield
        finally:
            if len(sys.modules) > count:
                self._keep(list(sys.modules)[count:])
            self._path += [entry for entry in sys.path if entry not in (*path, *self._path, *self._behind)]
            sys.path[:] = path
            for name in self._modules:
                sys.modules.pop(name, None)
            sys.modules.update(hidden)

    @property
    def are_current(self) -> bool:
        """Whether the files of the modules have the texts that they had when they were imported."""
        return all(content_of(file) == text for file, text in self._texts.items())

    def _keep(self, names: list[str]) -> None:
        for name in names:
            module = sys.modules[name]
            if not name.startswith(LOADED) and not is_installed(_file_of(module)):
                self._modules[name] = module
                if module.__dict__.get("__file__") is not None:
                    file = Path(str(module.__file__))
                    self._texts[file] = content_of(file)


def _file_of(module: ModuleType) -> str | None:
    found = getattr(module, "__file__", None)
    return found if found is not None else next(iter(getattr(module, "__path__", ())), None)


NONE = HelperModules()
"""Of functions that were not loaded from a file of their own."""
_BROUGHT: dict[Path, HelperModules] = {}


def helpers_of(path: Path) -> HelperModules:
    """Return the helper modules of a file; a file is imported once, and so are they, until one of them is changed."""
    where = path.resolve()
    if where in _BROUGHT and not _BROUGHT[where].are_current:
        del _BROUGHT[where]
        sys.modules.pop(loaded_as(where), None)  # it holds what it had from them
    if where not in _BROUGHT:
        root = package_of(where)[1]
        known = [where.parent] if root is None else [where.parent, root]
        before, behind = import_roots(where, known)
        _BROUGHT[where] = HelperModules(*before, *known, further=behind)
    return _BROUGHT[where]
