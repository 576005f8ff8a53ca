"""What scripts printed by gdprops 0.1.0 import under this address: resolve."""

from __future__ import annotations

from gdprops.script_imports import resolve

__all__ = ["resolve"]
