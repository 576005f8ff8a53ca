"""Everything that the checks of the clauses use, behind one import.

A chapter loads this module lazily (see `lazy`) and then writes ``workbench.compare(...)``, ``workbench.feeds(...)``
and so on, wherever the function lives.
"""

from __future__ import annotations

from gdprops.clauses.support.gradient_bounds import bounds_of, exact_law, named_gradient, rational_displacement
from gdprops.clauses.support.hyperparameter_values import alternatives, invalid, listed
from gdprops.clauses.support.optimizer_runs import (
    armijo_rate,
    dirty_memory,
    effective_rates,
    feed,
    feed_alone,
    feed_blocks,
    feed_on,
    loss_of,
    losses_along,
    names_of,
    oracle,
    plain_evidence,
    train,
    training_rate,
)
from gdprops.clauses.support.rounding_allowance import allowances, rounded_alike
from gdprops.clauses.support.tensor_variants import (
    any_entry,
    array,
    changed_everywhere,
    clipped_in_size,
    complex_of,
    copy_of,
    each_gradient,
    enlarged,
    far_apart,
    other_gradients,
    paired,
    pairs_of,
    square,
    tiled,
    turned,
    varied,
    with_a_matrix,
    with_one_more,
)
from gdprops.clauses.support.watched_step import stream, unjudged, watch
from gdprops.model.case import Regime
from gdprops.model.evidence import (
    FINITE,
    IN_TRAINING_MODE,
    LOSS_FALLS,
    MUST_AGREE,
    MUST_DIFFER,
    ONE_LOOK,
    Demand,
    agreement,
    combine,
    must_move,
    require,
    unanswered,
    vacuous,
    violation,
    with_notes,
    wrong_elsewise,
)
from gdprops.numerics import decisions
from gdprops.numerics.activations import has_kinks
from gdprops.numerics.certificate import loss_bound, update_allowance
from gdprops.numerics.comparison import are_finite, compare, differ, has_finite_norm, same_bytes
from gdprops.numerics.differences import numerical_gradient
from gdprops.numerics.flat import flat, flat_gradient, flat_weights, spread, unflat, zeros_like
from gdprops.numerics.network_pass import gradient_at, loss_at
from gdprops.numerics.rational import floats, floats_of, rational, rational_point
from gdprops.numerics.second_order_law import law_on_a_ladder
from gdprops.numerics.updates import ordered, rates_by_depth, sweep, trust_ratios
from gdprops.numerics.written_loss import must_fall
from gdprops.strategies.backprop_cases import backprop_cases
from gdprops.strategies.gradient_feeds import Feed, feeds
from gdprops.strategies.gradient_points import (
    DEEP,
    KINK_FREE,
    RAGGED,
    decoupled,
    granular_sweeps,
    linear_regressions,
    looks,
    smooth_sweeps,
    sweeps,
)
from gdprops.strategies.loop import Loop
from gdprops.strategies.special_loops import clipped_loops, loops_by_mode, recomputed_loops
from gdprops.strategies.training_loops import loops
