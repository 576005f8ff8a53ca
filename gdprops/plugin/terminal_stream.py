"""The terminal of a pytest run: pytest captures what is printed while a test runs, and never shows it if that hangs."""

from __future__ import annotations

from typing import TextIO

import pytest

TERMINAL = pytest.StashKey[TextIO]()
"""A copy of standard error from before it was captured."""
