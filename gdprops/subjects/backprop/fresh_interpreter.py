"""A printed case run once in an interpreter of its own: what the user will see who copies it.

In the running process the user's code has been called thousands of times before. What it keeps from that in places that
nobody can put back (a file, a generator's position, a library's cache) is not there when the printed lines are run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from typing import Any

from gdprops.subjects.user_code.importing import IMPORT_SECONDS

RUN = """
import io, json, sys
import numpy as np
code, out, shown = sys.stdin.read(), sys.stdout, []
def plain(value):
    if isinstance(value, dict):
        return {str(key): plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return np.asarray(value).tolist()
sys.stdin, sys.stdout = io.StringIO(), io.StringIO()
exec(compile(code, "case", "exec"), {"__name__": "case", "print": lambda value: shown.append(plain(value))})
json.dump(shown, out)
"""


@lru_cache(maxsize=16)
def printed(code: str, text: bytes) -> list[Any] | None:
    """Return what a script prints, as nested lists; None where it cannot be run by itself.

    ``text`` is that of the file which the script runs: where it has changed, so may what is printed.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", RUN],
            input=code,
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
            check=False,
        )
        found: list[Any] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    return found
