"""Functions around functions of torch whose frames nobody sees: in no traceback, no warning's line, no stack.

What a script prints when its backward pass raises is its own lines and torch's, and a warning names the line that
torch means, whether the script is watched or not.

CPython shows a frame from its first RESUME instruction on; before that, the frame is "incomplete" and left out wherever
frames are looked at. The code of a hidden function has no such instruction, which otherwise does nothing but let
tracers in and look for signals. Under any other Python the frame is simply seen.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable, Generator
from typing import Any

import torch

Talk = Callable[..., Generator[tuple[Any, Any], Any, None]]
"""A generator function of the arguments: it yields those to call with, and is sent what the call has returned."""

TRIED_BELOW = (3, 15)
"""The frames of later versions of CPython were not looked at."""


def hidden_call(function: Any, talk: Talk) -> Any:
    """Return a function that calls ``function`` in the middle of ``talk``; where the call raises, the talk is closed.

    Arguments that ``talk`` cannot take are handed over as they are: it is ``function`` that refuses them.
    """

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:  # pragma: no cover - no tracer sees a hidden frame
        if torch.compiler.is_compiling():
            return function(*args, **kwargs)
        open_talk, args, kwargs = _begun(talk, args, kwargs)
        try:
            returned = function(*args, **kwargs)
        except BaseException:
            open_talk.close()
            raise
        return _ended(open_talk, returned)

    if sys.implementation.name == "cpython" and sys.version_info < TRIED_BELOW:
        _hide(call)
    return call


def _begun(talk: Talk, args: Any, kwargs: Any) -> tuple[Generator[Any, Any, None], Any, Any]:
    try:
        begun = talk(*args, **kwargs)
    except TypeError:
        begun = _silence(args, kwargs)
    return begun, *next(begun)


def _silence(args: Any, kwargs: Any) -> Generator[tuple[Any, Any], Any, None]:
    yield args, kwargs


def _ended(begun: Generator[Any, Any, None], returned: Any) -> Any:
    try:
        begun.send(returned)
    except StopIteration:
        return returned
    raise RuntimeError("a talk goes on after its call")


def _hide(function: Any) -> None:
    """Take the instruction out of a function's code from which on its frames are seen."""
    code = bytearray(function.__code__.co_code)
    at = next((k for k in range(0, len(code), 2) if code[k] == dis.opmap["RESUME"]), None)
    if at is not None:
        code[at : at + 2] = dis.opmap["NOP"], 0
        function.__code__ = function.__code__.replace(co_code=bytes(code))
