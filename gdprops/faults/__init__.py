"""The bank: deliberately wrong subjects, each named for its fault, and correct twins beside them.

Every fault is a correct optimizer, rule or system with one thing changed; most re-create a bug that a real project
shipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gdprops.faults.fault import Fault, Twin

__all__ = ["Fault", "Twin", "bank", "twins"]


def bank() -> tuple[Fault, ...]:
    """Return every fault, family by family. Raises `ValueError` where two have one name."""
    from gdprops.faults.backprop import backprop_faults
    from gdprops.faults.optimizers import (
        feeding_faults,
        first_step_faults,
        foreach_faults,
        hyperparameter_faults,
        memory_faults,
        optimizer_state_faults,
        plain_descent_faults,
        plumbing_faults,
    )
    from gdprops.faults.systems import gradient_faults, sweep_faults
    from gdprops.faults.training_steps import (
        handed_over_faults,
        hook_faults,
        late_read_faults,
        loop_faults,
        window_faults,
    )
    from gdprops.faults.update_rules import array_rule_faults, published_rule_faults

    families = (
        *(
            gradient_faults,
            sweep_faults,
            plain_descent_faults,
            optimizer_state_faults,
            plumbing_faults,
            feeding_faults,
            memory_faults,
            foreach_faults,
            hyperparameter_faults,
            first_step_faults,
        ),
        *(array_rule_faults, published_rule_faults, loop_faults, window_faults, hook_faults, late_read_faults),
        *(handed_over_faults, backprop_faults),
    )
    found = tuple(fault for family in families for fault in family.FAULTS)
    _require_distinct(fault.name for fault in found)
    return found


def twins() -> tuple[Twin, ...]:
    """Return the correct subjects beside the faults. Raises `ValueError` where two have one name."""
    from gdprops.faults.backprop import backprop_twins
    from gdprops.faults.optimizers import guarded_optimizer_twins, optimizer_twins
    from gdprops.faults.training_steps import late_read_twins, step_twins, window_twins
    from gdprops.faults.update_rules import published_rule_twins

    found = (
        *optimizer_twins.TWINS,
        *guarded_optimizer_twins.TWINS,
        *published_rule_twins.TWINS,
        *step_twins.TWINS,
        *window_twins.TWINS,
        *late_read_twins.TWINS,
        *backprop_twins.TWINS,
    )
    _require_distinct(twin.name for twin in found)
    return found


def _require_distinct(names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"used twice: {', '.join(twice)}")
