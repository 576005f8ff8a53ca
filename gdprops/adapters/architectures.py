"""What scripts printed by gdprops 0.1.0 import under this address: MeanOverTokens, SelfAttention."""

from __future__ import annotations

from gdprops.script_imports import MeanOverTokens, SelfAttention

__all__ = ["MeanOverTokens", "SelfAttention"]
