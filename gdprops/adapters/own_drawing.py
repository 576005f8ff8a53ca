"""What scripts printed by gdprops 0.1.0 import under this address: model_like."""

from __future__ import annotations

from gdprops.script_imports import model_like

__all__ = ["model_like"]
