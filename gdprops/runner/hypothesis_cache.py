"""Keep Hypothesis from leaving a ``.hypothesis`` folder behind when the gdprops command runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

STORAGE = "HYPOTHESIS_STORAGE_DIRECTORY"


@contextmanager
def caches_elsewhere() -> Iterator[None]:
    """Let Hypothesis cache in a temporary folder instead of ``.hypothesis`` in the working directory.

    Hypothesis chooses its folder once per process, so that only the command uses this context. A folder that the user
    has set in the environment is kept.
    """
    if STORAGE in os.environ:
        yield
        return
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="gdprops-", ignore_cleanup_errors=True) as folder:
        os.environ[STORAGE] = folder
        try:
            yield
        finally:
            os.environ.pop(STORAGE, None)
