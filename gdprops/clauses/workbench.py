"""Everything that the checks of the clauses use, behind one import."""

from __future__ import annotations

from gdprops.clauses.looking import bounds_of, named_gradient, rational_displacement
from gdprops.clauses.playing import (
    armijo_rate,
    dirty_memory,
    effective_rates,
    feed,
    feed_alone,
    feed_blocks,
    loss_of,
    losses_along,
    names_of,
    oracle,
    plain_evidence,
    train,
)
from gdprops.model.case import Regime
from gdprops.model.evidence import combine, require, vacuous, violation
from gdprops.numerics import decisions
from gdprops.numerics.certificate import is_exact_update, loss_bound, update_allowance
from gdprops.numerics.comparison import compare, differ, same_bytes
from gdprops.numerics.differences import numerical_gradient
from gdprops.numerics.flat import flat, flat_gradient, flat_weights, members, spread, unflat
from gdprops.numerics.law import lower_hessian_times_gradient
from gdprops.numerics.network_pass import gradient_at, loss_at
from gdprops.numerics.rational import floats, rational, rational_point
from gdprops.numerics.updates import ordered, simultaneous_step, sweep, sweep_displacements
from gdprops.strategies.feeds import Feed, feeds
from gdprops.strategies.looks import KINK_FREE, decoupled, granular_sweeps, linear_regressions, looks, sweeps
from gdprops.strategies.training import Loop, loops

__all__ = [
    "KINK_FREE",
    "Feed",
    "Loop",
    "Regime",
    "armijo_rate",
    "bounds_of",
    "combine",
    "compare",
    "decisions",
    "decoupled",
    "differ",
    "dirty_memory",
    "effective_rates",
    "feed",
    "feed_alone",
    "feed_blocks",
    "feeds",
    "flat",
    "flat_gradient",
    "flat_weights",
    "floats",
    "gradient_at",
    "granular_sweeps",
    "is_exact_update",
    "linear_regressions",
    "looks",
    "loops",
    "loss_at",
    "loss_bound",
    "loss_of",
    "losses_along",
    "lower_hessian_times_gradient",
    "members",
    "named_gradient",
    "names_of",
    "numerical_gradient",
    "oracle",
    "ordered",
    "plain_evidence",
    "rational",
    "rational_displacement",
    "rational_point",
    "require",
    "same_bytes",
    "simultaneous_step",
    "spread",
    "sweep",
    "sweep_displacements",
    "sweeps",
    "train",
    "unflat",
    "update_allowance",
    "vacuous",
    "violation",
]
