"""How much a violation of a clause matters."""

from __future__ import annotations

from enum import StrEnum


class Level(StrEnum):
    """``REQUIRED``: a violation always fails the run. ``RECOMMENDED``: it fails the run only with ``--strict``."""

    REQUIRED = "required"
    RECOMMENDED = "recommended"
