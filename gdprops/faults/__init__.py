"""The bank: deliberately wrong subjects, each named for its fault, and correct twins beside them.

Every fault is a correct optimizer, rule, system or training script with one thing changed; most re-create a bug that a
real project shipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from gdprops.faults.fault import Fault, Twin

__all__ = ["Fault", "Twin", "bank", "twins"]


def bank() -> tuple[Fault, ...]:
    """Return every fault, family by family. Raises `ValueError` where two have one name."""
    from gdprops.faults.backprop import backprop_faults
    from gdprops.faults.distributed_steps import (
        mesh_faults,
        reduction_faults,
        reported_faults,
        saved_trainings,
        unused_faults,
        update_faults,
        witness_faults,
    )
    from gdprops.faults.optimizers import (
        closure_and_missing_gradient_faults,
        first_step_faults,
        foreach_faults,
        group_and_saved_state_faults,
        hyperparameter_faults,
        memory_faults,
        optimizer_state_faults,
        plain_descent_faults,
    )
    from gdprops.faults.systems import gradient_faults, sweep_faults
    from gdprops.faults.training_steps import (
        average_faults,
        handed_over_faults,
        hook_faults,
        late_read_faults,
        phase_faults,
        resume_faults,
        schedule_faults,
        several_optimizers,
        token_windows,
        usual_loop_faults,
        window_faults,
    )
    from gdprops.faults.update_rules import array_rule_faults, published_rule_faults
    from gdprops.faults.watched_runs import (
        processes,
        wrong_continuations,
        wrong_gradients,
        wrong_leftovers,
        wrong_omissions,
        wrong_order,
        wrong_wiring,
    )

    families = (
        *(
            gradient_faults,
            sweep_faults,
            plain_descent_faults,
            optimizer_state_faults,
            group_and_saved_state_faults,
            closure_and_missing_gradient_faults,
            memory_faults,
            foreach_faults,
            hyperparameter_faults,
            first_step_faults,
        ),
        *(array_rule_faults, published_rule_faults, usual_loop_faults, window_faults, hook_faults, late_read_faults),
        *(
            handed_over_faults,
            schedule_faults,
            token_windows,
            several_optimizers,
            phase_faults,
            average_faults,
            resume_faults,
            backprop_faults,
            reduction_faults,
            reported_faults,
            unused_faults,
            witness_faults,
            saved_trainings,
            update_faults,
            mesh_faults,
            wrong_gradients,
            wrong_wiring,
            wrong_omissions,
            wrong_order,
            wrong_leftovers,
            wrong_continuations,
            processes,
        ),
    )
    found = tuple(fault for family in families for fault in family.FAULTS)
    _require_distinct(fault.name for fault in found)
    return found


def twins() -> tuple[Twin, ...]:
    """Return the correct subjects beside the faults. Raises `ValueError` where two have one name."""
    from gdprops.faults.backprop import backprop_twins
    from gdprops.faults.distributed_steps import (
        meshed_ranks,
        reported_faults,
        right_ranks,
        saved_trainings,
        unused_faults,
        witness_faults,
    )
    from gdprops.faults.optimizers import guarded_optimizer_twins, optimizer_twins
    from gdprops.faults.systems import system_twins
    from gdprops.faults.training_steps import (
        average_faults,
        late_read_twins,
        phase_faults,
        resume_faults,
        schedule_faults,
        several_optimizers,
        step_twins,
        token_windows,
        window_twins,
    )
    from gdprops.faults.update_rules import published_rule_twins
    from gdprops.faults.watched_runs import (
        processes,
        right_combinations,
        right_continuations,
        right_gradients,
        right_restorations,
        right_techniques,
        right_trainings,
    )

    found = (
        *optimizer_twins.TWINS,
        *system_twins.TWINS,
        *guarded_optimizer_twins.TWINS,
        *published_rule_twins.TWINS,
        *step_twins.TWINS,
        *window_twins.TWINS,
        *late_read_twins.TWINS,
        *schedule_faults.TWINS,
        *token_windows.TWINS,
        *several_optimizers.TWINS,
        *phase_faults.TWINS,
        *average_faults.TWINS,
        *resume_faults.TWINS,
        *backprop_twins.TWINS,
        *right_ranks.TWINS,
        *meshed_ranks.TWINS,
        *reported_faults.TWINS,
        *unused_faults.TWINS,
        *witness_faults.TWINS,
        *saved_trainings.TWINS,
        *right_trainings.TWINS,
        *processes.TWINS,
        *right_combinations.TWINS,
        *right_continuations.TWINS,
        *right_techniques.TWINS,
        *right_gradients.TWINS,
        *right_restorations.TWINS,
    )
    _require_distinct(twin.name for twin in found)
    return found


def _require_distinct(names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"used twice: {', '.join(twice)}")
