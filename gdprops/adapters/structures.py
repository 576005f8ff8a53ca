"""What scripts printed by gdprops 0.1.0 import under this address: doubled."""

from __future__ import annotations

from gdprops.script_imports import doubled

__all__ = ["doubled"]
