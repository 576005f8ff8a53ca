"""The hypothesis that a step looks where a first step has led, comes back, and steps by what it has seen there.

That is the extragradient method, and it may be meant; then it can be declared. Its first step is the optimizer's own,
or plain descent by hand at the optimizer's rate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gdprops.explanations.training_step.hypothesis import Hypothesis, Weights, on_steps

if TYPE_CHECKING:
    from gdprops.clauses.support.watched_step import Watched
    from gdprops.model.training_run import StepTraining

LOOKS_AHEAD = (
    "it looks again where a first step has led, comes back, and steps by the gradient seen there, as the extragradient "
    'method does (where that is meant, declare it: looks="extragradient")'
)


def _state_kept(step: Watched) -> Weights:
    """Return U(w, g(U(w, g, s)), s'), with the state s' that the first step has left."""
    there, state = step.run.advance(step.before, step.gradients, step.state, step.settings)
    return step.run.update(step.before, step.run.gradients(there, step.batch), state, step.settings)


def _state_put_back(step: Watched) -> Weights:
    there = step.update(step.gradients)
    return step.update(step.run.gradients(there, step.batch))


def _by_hand(step: Watched) -> Weights | None:
    settings: Any = step.settings or (step.state[1] if step.state else [])
    rates = {i: group["lr"] for own, group in zip(step.run.groups, settings, strict=False) for i in own}
    if not rates:
        return None
    there = [
        w if g is None or i not in rates else w - w.dtype.type(float(rates[i])) * g
        for i, (w, g) in enumerate(zip(step.before, step.gradients, strict=True))
    ]
    return step.update(step.run.gradients(there, step.batch))


def _stays_there(step: Watched) -> Weights | None:
    """Make two updates, one from where the other has led."""
    if step.run.live is None:
        return None
    run: StepTraining = step.run  # type: ignore[assignment] # what has a live model is a training step
    there, state = run.single_update(step.before, step.gradients, step.state, step.settings)
    return run.single_update(there, run.gradients(there, step.batch), state, step.settings)[0]


AHEAD = (
    *(Hypothesis(LOOKS_AHEAD, on_steps(rival)) for rival in (_state_kept, _state_put_back, _by_hand)),
    Hypothesis(
        "it makes two updates on its batch, the second from where the first has led: it does not come back in between",
        on_steps(_stays_there),
        clause="step.once",
        broad=1,
    ),
)
