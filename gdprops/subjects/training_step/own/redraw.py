"""What the user's own strategies draw, outside a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.subjects.user_code.isolation import RandomState

if TYPE_CHECKING:
    from torch import nn

MOST_DRAWN = 500
"""So many models are drawn until one is like a saved one."""


def drawn(strategy: Any, key: str, suits: Callable[[Any], bool] = lambda _: True) -> Any:
    """Return a value that a strategy draws, one that suits. Raises `UsageError`."""
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
        return hypothesis.find(strategy, suits, settings=settings)
    except hypothesis.errors.NoSuchExample:
        raise UsageError(f"{key}= draws nothing like what was saved, in {MOST_DRAWN} examples") from None
    except Exception as error:
        raise UsageError(f"{key}= cannot be drawn: {type(error).__name__}: {error}") from error


def model_like(strategy: Any, form: str) -> nn.Module:
    """Return a module that a strategy draws and that prints itself so; the random numbers stay where they are.

    Raises `UsageError` where the strategy draws none.
    """
    random = RandomState()
    try:
        found: nn.Module = drawn(strategy, "models", lambda model: repr(model) == form)
    finally:
        random.put()
    return found
