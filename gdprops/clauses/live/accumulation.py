"""What a window adds up: means over different counts are weighted by them, and no loss is added twice."""

from __future__ import annotations

from collections.abc import Iterator

from gdprops.clauses.support.live_clause import Told, lines, live_clause
from gdprops.clauses.support.provenance import Step, Story
from gdprops.model.clause import Level
from gdprops.model.ledger import Mean


@live_clause(
    id="live.accumulation",
    statement="Backward passes of a window whose losses are means over different counts are weighted by these counts, "
    "and no loss is a part of a later one.",
    source="huggingface/transformers#34191, unslothai/unsloth#1146: the mean of per-micro-batch token means is 51% off "
    "with ragged lengths, and exact with equal ones.",
    decision="Counts and weights are read from the losses' graphs (mean, mse, cross-entropy, times or divided by "
    "numbers); where a graph does not show them, nothing is decided. Told where at least half of the windows of "
    "several calls have means of one weight over different counts: an epoch's short last batch is not told. A loss "
    "counts twice where the graph of a later call that the same step uses contains it.",
    level=Level.RECOMMENDED,
    refuted_by=("script-means-of-ragged-means", "script-adds-up-losses-that-were-differentiated"),
    undecided=lambda read: "" if any(len(step.window) > 1 for step in read.steps) else "no window has several calls",
)
def accumulation(read: Story) -> Iterator[Told]:
    for optimizer in read.stepped:
        windows = [step for step in read.steps_of(optimizer) if len(step.window) > 1 and not step.inside]
        ragged = [step for step in windows if _is_unweighted(step)]
        if ragged and 2 * len(ragged) >= len(windows):
            step = ragged[0]
            counts = ", ".join(f"{mean.count:g}" for mean in _means(step) or ())
            yield Told(
                f"the step at {lines([step.place])} adds up means over {counts} counts (backward at "
                f"{lines(call.place for call in step.window)}) with one weight: a mean of means, not the mean",
                tuple(sorted(step.uses)),
                step.number,
                (step.place, *(call.place for call in step.window)),
            )
    for step in read.steps:
        yield from _counted_twice(step)


def _counted_twice(step: Step) -> Iterator[Told]:
    """Yield a call of a window whose graph contains the loss of an earlier call of it."""
    if step.inside:
        return
    window = {call.event.call: call for call in step.window}
    for call in step.window:
        for earlier in sorted(call.event.contains & set(window)):
            places = (call.place, window[earlier].place, step.place)
            yield Told(
                f"the loss of the backward pass at {lines(places[:1])} contains the one that the backward pass at "
                f"{lines(places[1:2])} has differentiated before: the step at {lines(places[2:])} uses both, and "
                "counts the earlier loss twice",
                tuple(sorted(step.uses)),
                step.number,
                places,
            )
            return


def _means(step: Step) -> list[Mean] | None:
    """Return the means of a window on one line, None where any of them is not known."""
    if len({call.place for call in step.window}) != 1:
        return None
    found = [call.event.mean for call in step.window]
    known = [mean for mean in found if mean is not None]
    return known if len(known) == len(found) else None


def _is_unweighted(step: Step) -> bool:
    means = _means(step)
    if not means or len({mean.count for mean in means}) == 1:
        return False
    return len({mean.weight for mean in means}) == 1
