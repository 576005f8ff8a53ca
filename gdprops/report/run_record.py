"""The record of a run: with which versions, on which platform, when, and by which command it was made.

It stands in the JSON form under ``run``, beside ``timing``; with a seed, everything else is the same in every run.
Nothing is read of the environment, and passwords in addresses are masked.
"""

from __future__ import annotations

import platform
import re
import shlex
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from gdprops.version import __version__

TYPED = "gdprops.typed"
"""Under this key the context of a ``gdprops`` command has its arguments: a supervised process has none of its own."""
PACKAGES = ("torch", "numpy", "hypothesis")
PASSWORD = re.compile(r"(?P<before>\w+://[^/\s@]*?:)[^/\s]+(?=@)")
"""The password of an address, such as ``redis://user:secret@host``."""
KEYS = re.compile(r"(?P<before>[?&](?:password|token|key|secret)=)[^&\s]+", re.IGNORECASE)
"""A secret behind an address, such as ``?password=secret``."""


def run_record() -> dict[str, Any]:
    """Return the versions, the platform, the date in UTC and the command as JSON data."""
    return {
        "gdprops": __version__,
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command(_typed()),
    }


def _typed() -> Sequence[str]:
    """Return the program and its arguments as they were typed."""
    context = click.get_current_context(silent=True)
    typed = None if context is None else context.meta.get(TYPED)
    return sys.argv if typed is None else ["gdprops", *typed]


def command(arguments: Sequence[str]) -> str:
    """Return a command as it was typed, without the folder of the program and without passwords."""
    program, *others = arguments
    path = Path(program)
    shown = path.parent.name if path.name == "__main__.py" else path.name
    return shlex.join([shown or "python", *map(masked, others)])


def masked(text: str) -> str:
    """Return a text with the passwords of its addresses masked."""
    for secret in (PASSWORD, KEYS):
        text = secret.sub(r"\g<before>***", text)
    return text


def _version(package: str) -> str | None:
    """Return the version of an installed package without importing it; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
