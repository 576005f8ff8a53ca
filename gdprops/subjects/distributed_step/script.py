"""A case as a plain script that forks its ranks, and prints what each of them holds beside what is expected.

The script is run once in an interpreter of its own, and printed only if it fails in its last line.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdprops.model.case import BRANCH, WITNESS
from gdprops.model.rank_mesh import PIPELINE, size_of
from gdprops.subjects import script_lines
from gdprops.subjects.distributed_step.observed import ON_RANK
from gdprops.subjects.distributed_step.tasks import task_of
from gdprops.subjects.script_lines import Written
from gdprops.subjects.training_step.script.drawn_model import script_model
from gdprops.subjects.training_step.script.ending import built_line, built_optimizer
from gdprops.subjects.user_code.fresh_interpreter import fails_in_its_last_line

if TYPE_CHECKING:
    from gdprops.model.case import RanksCase
    from gdprops.model.evidence import Evidence, Location
    from gdprops.subjects.distributed_step.subject import DistributedStep

SECONDS = 60.0
"""How long a script may run."""
BEFORE = {
    "": (),
    WITNESS: (),
    BRANCH: (f"if (x[:, 0] > 0).any(): x = torch.where(x[:, :1] > 0, x + self.{BRANCH}, x)",),
}
"""What the forward pass of a script's model does before its first layer, by what a case adds there."""
HEAD = ("import multiprocessing, tempfile", "import torch, torch.distributed as dist")


def scripts(subject: DistributedStep, case: RanksCase, evidence: Evidence) -> Iterator[Written]:
    """Yield a script that shows the worst number of a violation.

    There is none for facts, saved trainings, own models and pipelines.
    """
    location = evidence.location
    of_stages = size_of(case.mesh, PIPELINE) > 1  # each of which holds other parameters
    if location is None or location.step is None or case.resumed or case.is_own or of_stages:
        return
    body = _body(subject, case, location)
    head = [*HEAD, *script_lines.import_lines(subject.spec)]
    if body and fails_in_its_last_line("\n".join([*head, *body]), seconds=SECONDS):
        dtypes = ", ".join(dict.fromkeys(str(w.dtype) for w in case.train.tensors))
        heading = script_lines.heading(subject.name, subject.spec, dtypes, "the clause")
        yield Written([heading, *head], body, dtypes, False, {}, admits=True)


def _body(subject: DistributedStep, case: RanksCase, location: Location) -> list[str]:
    names = [name for name, _ in task_of(case).model().named_parameters()]
    name = location.parameter.partition(ON_RANK)[0]
    if name not in names:
        return []
    entry = f"held{list(location.index) if location.index else ''}.item()"
    called = script_lines.called(subject.spec)
    test = "seen[rank] == expected" if not location.allowed else f"abs(seen[rank] - expected) <= {location.allowed!r}"
    return [
        *_rows(case, location.step or 1),
        "def run(rank, world, meeting, told):",
        '    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)',
        *(f"    {line}" for line in script_model(case.train.network, case.train.tensors, BEFORE[case.added])),
        f"    built = getattr({called}, 'build', {called})(model, loss_fn, rank, world)",
        f"    {built_line(subject.declaration.habits.step_at)}",
        *(f"    {line}" for line in _rate(subject, case)),
        "    for inputs, targets, last in calls[rank]:",
        f"        step(inputs, targets{', last=last' if subject.declaration.habits.told_last else ''})",
        f"    held = list(model.parameters())[{names.index(name)}].detach()  # {name}",
        "    held = held.full_tensor() if hasattr(held, 'full_tensor') else held",
        f"    told.put((rank, {entry}))",
        "    dist.barrier()",
        f"expected, world = {script_lines.named(location.expected)}, {case.world}",
        'fork = multiprocessing.get_context("fork")',
        "meeting, told = tempfile.mktemp(), fork.Queue()",
        "ranks = [fork.Process(target=run, args=(rank, world, meeting, told)) for rank in range(world)]",
        "for one in ranks: one.start()",
        "seen = dict(told.get(timeout=60) for _ in ranks)",
        "for one in ranks: one.join(60)",
        f'for rank in range(world): print(f"rank {{rank}}: {name} is {{seen[rank]}}, expected {{expected}}")',
        f"assert all({test} for rank in seen), seen",
    ]


def _rows(case: RanksCase, steps: int) -> Iterator[str]:
    """Yield the lines of what each rank's step is called with."""
    task = task_of(case)
    yield "calls = ["
    for rank in range(case.world):
        yield f"    [  # of rank {rank}"
        for t in range(steps):
            rows = case.micro_batches(rank)
            for number, chosen in enumerate(rows, start=1):
                data = task.whole(t, chosen)
                given = ", ".join(
                    f"torch.tensor({script_lines.literal(part.numpy())}, dtype={part.dtype})" for part in data
                )
                yield f"        ({given}, {number == len(rows)}),"
        yield "    ],"
    yield "]"


def _rate(subject: DistributedStep, case: RanksCase) -> Iterator[str]:
    rates, optimizer = case.train.plan.rates, built_optimizer(subject.declaration.habits.step_at)
    if case.sets_rate and rates and optimizer:
        yield f"for group in {optimizer}.param_groups: group['lr'] = {rates[0]!r}"
