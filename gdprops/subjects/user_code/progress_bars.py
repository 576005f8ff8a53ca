"""Progress bars that could not be imported: what they go through is gone through, and they show nothing.

``for x in tqdm(data)``, ``with tqdm(total=9) as bar: bar.update(1)``, ``with alive_bar(9) as bar: bar()``: whether a
package that shows how far a loop has come is installed changes nothing of what the loop computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self, final

NAMES = ("tqdm", "trange", "track", "alive_bar", "alive_it", "ProgressBar", "progressbar")
"""The names of what shows how far a loop has come."""


@final
class SilentBar:
    """A progress bar that shows nothing: every method of its takes anything."""

    def __init__(self, goes_through: Any = None) -> None:
        self._goes_through: Iterable[Any] = range(goes_through) if isinstance(goes_through, int) else goes_through or ()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._goes_through)

    def __len__(self) -> int:
        return len(list(self._goes_through))

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __call__(self, *args: Any, **kwargs: Any) -> Self:
        """Take what a bar is told; ``ProgressBar()(data)`` goes through the data."""
        del kwargs
        if args and hasattr(args[0], "__iter__") and not isinstance(args[0], str):
            self._goes_through = args[0]
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None
