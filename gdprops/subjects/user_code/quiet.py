"""Lets the user's code run without output and questions: what it prints is discarded, a prompt gets no answer."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what is printed inside this context, and give it an empty standard input.

    Raises `RuntimeError` where the code wants to end the program: it is only being tried.
    """
    stdin, sys.stdin = sys.stdin, io.StringIO()
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    except SystemExit as error:
        raise RuntimeError("exit() is called") from error
    finally:
        sys.stdin = stdin
