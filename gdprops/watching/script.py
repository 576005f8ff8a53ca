"""Running somebody's script as Python would run it, and saying how it ended.

The script sees its own ``sys.argv``, its folder first on ``sys.path``, and itself as ``__main__``. What it raises is
printed as Python prints it, without the frames of gdprops above the script's own.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import runpy
import sys
import threading
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, TracebackType
from typing import final

from gdprops.errors import UsageError

INTERRUPTED = 130


@final
@dataclass(frozen=True, slots=True)
class Script:
    """A script, or a module to be run as one, and its arguments."""

    target: str
    arguments: Sequence[str] = ()
    is_module: bool = False

    def require(self) -> None:
        """Raise `UsageError` if there is no such file or module."""
        if self.is_module:
            with _path_of(""):
                found = _spec_exists(self.target)
            if not found:
                raise UsageError(f"-m {self.target}: no module of this name is found")
        elif not Path(self.target).exists():
            raise UsageError(f"{self.target}: no such file")
        elif Path(self.target).is_dir() and not (Path(self.target) / "__main__.py").exists():
            raise UsageError(f"{self.target}: a folder without a __main__.py")

    def run(self) -> BaseException | None:
        """Run the script to its end, its threads included, and return what it raised."""
        before = sys.argv
        sys.argv = [self.target, *self.arguments]
        try:
            with _path_of("" if self.is_module else str(Path(self.target).resolve().parent)):
                if self.is_module:
                    runpy.run_module(self.target, run_name="__main__", alter_sys=True)
                elif _is_source(Path(self.target)):
                    _run_source(os.path.join(os.getcwd(), self.target))
                else:
                    runpy.run_path(self.target, run_name="__main__")
                _join_threads()
        except BaseException as error:
            return error
        finally:
            sys.argv = before
        return None


def _is_source(path: Path) -> bool:
    return path.suffix != ".pyc" and not path.is_dir() and not zipfile.is_zipfile(path)


def _run_source(path: str) -> None:
    """Run a file as Python runs it: with an absolute ``__file__``, and ``sys.argv`` as it was given."""
    main = ModuleType("__main__")
    loader = SourceFileLoader("__main__", path)
    vars(main).update(__file__=path, __cached__=None, __loader__=loader, __builtins__=builtins, __annotations__={})
    before = sys.modules["__main__"]
    with io.open_code(path) as source:
        code = compile(source.read(), path, "exec", dont_inherit=True)
    sys.modules["__main__"] = main
    try:
        exec(code, vars(main))
    finally:
        sys.modules["__main__"] = before


def _spec_exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


@contextlib.contextmanager
def _path_of(folder: str) -> Iterator[None]:
    """Put a folder where Python puts the folder of the script that it runs."""
    before = list(sys.path)
    sys.path[:1] = [folder or os.getcwd()]
    try:
        yield
    finally:
        sys.path[:] = before


def _join_threads() -> None:
    """Wait for the threads for which Python waits at its end: a script may train in one of them."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()


def told(error: BaseException | None) -> int:
    """Print what a script raised as Python prints it, and return the exit code that Python would end with."""
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return _exit_code(error)
    error.__traceback__ = _own_frames(error.__traceback__)
    sys.excepthook(type(error), error, error.__traceback__)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _own_frames(frames: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of gdprops and of runpy at its begin."""
    here = (str(Path(__file__).parents[1]), runpy.__file__, "<frozen runpy>")
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(here):
        frames = frames.tb_next
    return frames
