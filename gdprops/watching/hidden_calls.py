"""Functions around functions of torch whose frames nobody sees: in no traceback, no warning's line, no stack.

What a script prints when its backward pass raises is its own lines and torch's, and a warning names the line that
torch means, whether the script is watched or not.

CPython shows a frame from its first RESUME instruction on; before that, the frame is "incomplete" and left out wherever
frames are looked at. In the code of a hidden function this instruction, which otherwise does nothing but let tracers
in and look for signals, comes last. Under any other Python, and where a run is traced, the frame is simply seen.
"""

from __future__ import annotations

import dis
import functools
import sys
from collections.abc import Callable, Generator
from types import CodeType
from typing import Any

import torch

Talk = Callable[..., Generator[tuple[Any, Any], Any, None]]
"""A generator function of the arguments: it yields those to call with, and is sent what the call has returned."""

TRIED_BELOW = (3, 12)
"""With later versions of CPython, torch and its compiler were not tried."""


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

    if sys.implementation.name == "cpython" and sys.version_info < TRIED_BELOW and not _is_traced():
        _hide(call)
    return call


def _is_traced() -> bool:
    """Say whether somebody counts the lines of the run, or steps through it, or measures its calls.

    Tracers are told when a hidden frame returns, and not when it is called: one that counts the lines of a training
    loop takes that for the end of the loop.
    """
    return sys.gettrace() is not None or sys.getprofile() is not None


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
    """Move the instruction from which on a function's frames are seen behind everything that is ever executed.

    torch.compile looks for that instruction: where it cannot be told to pass the function over, it stays.
    """
    code = bytearray(function.__code__.co_code)
    at = next((k for k in range(0, len(code), 2) if code[k] == dis.opmap["RESUME"]), None)
    if at is not None:
        resume = bytes(code[at : at + 2])
        code[at : at + 2] = dis.opmap["NOP"], 0
        hidden = function.__code__.replace(co_code=bytes(code) + resume)
        if _is_passed_over(hidden):
            function.__code__ = hidden


def _is_passed_over(code: CodeType) -> bool:
    """Tell torch.compile that frames of some code are called as they are, and say whether it can be told."""
    frames: Any = sys.modules.get("torch._C._dynamo.eval_frame")
    if hasattr(frames, "skip_code"):
        frames.skip_code(code)
    elif hasattr(frames, "set_code_exec_strategy"):
        act = frames._FrameAction
        frames.set_code_exec_strategy(code, frames._FrameExecStrategy(act.SKIP, act.DEFAULT))
    else:
        return False
    return True
