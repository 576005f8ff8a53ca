"""What printed scripts import from gdprops. These names stay: a script that was printed once keeps running.

A counterexample on a model that torch alone cannot build, or on batches that a check has converted to double precision,
needs a few lines of gdprops. Everything else in a printed script is plain torch or NumPy.
"""

from __future__ import annotations

from gdprops.subjects.training_step.architecture_modules import MeanOverTokens, SelfAttention
from gdprops.subjects.training_step.own.redraw import model_like
from gdprops.subjects.training_step.structures import doubled

__all__ = ["MeanOverTokens", "SelfAttention", "doubled", "model_like"]
