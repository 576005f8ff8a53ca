"""Where Hypothesis keeps what it caches, in a process of our own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

STORAGE = "HYPOTHESIS_STORAGE_DIRECTORY"


@contextmanager
def caches_elsewhere() -> Iterator[None]:
    """Let Hypothesis cache in a folder that is removed in the end: it would leave ``.hypothesis`` in the current one.

    It decides once per process, hence this is only for the command; what the user has set in the environment stays.
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
