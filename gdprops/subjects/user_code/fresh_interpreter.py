"""A script that is tried in an interpreter of its own, where the user's code remembers nothing of earlier calls."""

from __future__ import annotations

import subprocess
import sys


def fails_in_its_last_line(script: str, *, seconds: float) -> bool:
    """Say whether a script ends, within so many seconds, in an assertion that fails in its last line."""
    command = [sys.executable, "-W", "ignore", "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    *above, last = done.stderr.strip().splitlines() or [""]
    line = f'File "<string>", line {len(script.splitlines())}, in <module>'
    return last.startswith("AssertionError") and any(line in one for one in above)
