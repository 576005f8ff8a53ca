"""Draws values from the user's own strategies outside a search, for example to find a saved model again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError, text_of
from gdprops.subjects.user_code.isolation import RandomState
from gdprops.subjects.user_code.module_constants import no_module_constants

if TYPE_CHECKING:
    from torch import nn

MOST_DRAWN = 500
"""How many models are drawn to find one that is like a saved one."""


def drawn(strategy: Any, key: str, suits: Callable[[Any], bool] = lambda _: True) -> Any:
    """Return a value that a strategy draws and that ``suits`` accepts. Raises `UsageError` where there is none."""
    import hypothesis

    settings = hypothesis.settings(
        max_examples=MOST_DRAWN,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    try:
        with no_module_constants():
            return hypothesis.find(strategy, suits, settings=settings)
    except hypothesis.errors.NoSuchExample:
        raise UsageError(f"{key}= draws nothing like the saved case, in {MOST_DRAWN} examples") from None
    except Exception as error:
        raise UsageError(f"{key}= cannot be drawn: {type(error).__name__}: {text_of(error)}") from error


def model_like(strategy: Any, form: str) -> nn.Module:
    """Return a module that a strategy draws and whose printed form is ``form``; global random numbers do not change.

    Raises `UsageError` where the strategy draws no such module.
    """
    random = RandomState()
    try:
        found: nn.Module = drawn(strategy, "models", lambda model: repr(model) == form)
    finally:
        random.put()
    return found
