"""Write a file beside its place and rename it: who reads it finds the old text or the whole new one, never a part."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from tempfile import mkstemp


def write_file(path: str | Path, text: str, *, newline: str | None = None) -> None:
    """Write a text to a file, whole or not at all; a link still leads to it, and an old file keeps its permissions.

    What is not a plain file (``/dev/stdout``, a pipe), and a file in a folder that takes no further one, is written to
    directly. ``newline`` is that of `open`. Raises `OSError` where it cannot be written.
    """
    place = Path(os.path.realpath(path))
    mode = place.stat().st_mode if place.exists() else None
    if mode is not None and (not stat.S_ISREG(mode) or not os.access(place.parent, os.W_OK)):
        place.write_text(text, encoding="utf-8", newline=newline)
        return
    number, name = mkstemp(dir=place.parent, prefix=".gdprops-")
    try:
        with open(number, "w", encoding="utf-8", newline=newline) as beside:
            beside.write(text)
        os.chmod(name, stat.S_IMODE(mode) if mode is not None else 0o666 & ~_umask())
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Return which permissions new files do not get; it can only be read by setting it."""
    held = os.umask(0o077)
    os.umask(held)
    return held
