"""Frames of ours between a script and torch: nobody sees them, and arguments are refused by whom they are for."""

from __future__ import annotations

import inspect
import sys
import traceback
import warnings
from collections.abc import Generator
from typing import Any

import pytest

from gdprops.watching.hidden_calls import TRIED_BELOW, hidden_call

pytestmark = [
    pytest.mark.skipif(sys.version_info >= TRIED_BELOW, reason="frames are seen under later versions"),
    pytest.mark.no_cover,  # they are seen where lines are counted
]

SAID: list[object] = []


def talk(number: int) -> Generator[tuple[Any, Any], Any, None]:
    try:
        returned = yield (number + 1,), {}
        SAID.append(returned)
    finally:
        SAID.append("over")


def function(number: int) -> int:
    """Return the number, or raise."""
    if number < 0:
        raise ValueError(number)
    warnings.warn("of the caller", stacklevel=2)
    SAID.append([frame.function for frame in inspect.stack()[:2]])
    return number


def untraced() -> Any:
    """Return the hidden call, as it is made where nobody counts lines."""
    before = sys.gettrace()
    sys.settrace(None)
    try:
        return hidden_call(function, talk)
    finally:
        sys.settrace(before)


call = untraced()


@pytest.fixture(autouse=True)
def _nothing_said() -> None:
    SAID.clear()


def names(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_a_call_stands_in_the_middle_of_its_talk() -> None:
    with pytest.warns(UserWarning, match="of the caller") as seen:
        assert call(1) == 2
    assert SAID[1:] == [2, "over"]
    assert (seen[0].filename, call.__doc__) == (__file__, function.__doc__)


@pytest.mark.filterwarnings("ignore:of the caller")
def test_the_function_is_called_by_whoever_calls_it() -> None:
    call(1)
    assert SAID[0] == ["function", "test_the_function_is_called_by_whoever_calls_it"]


def test_no_traceback_shows_the_call_and_the_talk_is_closed() -> None:
    with pytest.raises(ValueError, match="-1") as seen:
        call(-2)
    assert names(seen.value) == ["test_no_traceback_shows_the_call_and_the_talk_is_closed", "function"]
    assert SAID == ["over"]


def test_wrong_arguments_are_refused_by_the_function_itself() -> None:
    with pytest.raises(TypeError, match=r"^function\(\) missing 1 required positional argument: 'number'$"):
        call()


def test_under_a_tracer_the_call_is_the_same() -> None:
    events = []

    def trace(frame: Any, event: str, _: object) -> Any:
        events.append((event, frame.f_code.co_name))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with pytest.raises(ValueError, match="-1"):
            call(-2)
    finally:
        sys.settrace(before)
    assert ("exception", "function") in events
    assert "call" not in {name for _, name in events}


@pytest.mark.filterwarnings("ignore:of the caller")
def test_who_counts_lines_goes_on_counting_after_a_call() -> None:
    lines = set[int]()

    def trace(frame: Any, event: str, _: object) -> Any:
        if frame.f_code is loop.__code__:
            lines.add(frame.f_lineno - loop.__code__.co_firstlineno)
        return trace

    def loop(made: Any) -> int:
        first = made(1)
        second = made(2)
        return int(first + second)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        assert loop(hidden_call(function, talk)) == 5
    finally:
        sys.settrace(before)
    assert lines == {0, 1, 2, 3}
