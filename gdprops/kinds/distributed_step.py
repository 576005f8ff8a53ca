"""The kind of distributed steps: ``build(model, loss_fn, rank, world)`` returns the step of one rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.kinds.kind import Asked, Kind
from gdprops.model.identity import Origin
from gdprops.model.measurement import Measurement
from gdprops.subjects.declared_rule import check_rule
from gdprops.subjects.distributed_step import NAME
from gdprops.subjects.user_code.importing import label_of
from gdprops.subjects.user_code.signatures import require_keywords

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from gdprops.explanations.explanation import Explanation
    from gdprops.model.clause import Clause
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.distributed_step.subject import DistributedStep
    from gdprops.subjects.script_lines import Written


@final
class DistributedStepKind(Kind["DistributedStep"]):
    """Steps that several processes take together; the expected update is that of one process on the whole batch."""

    name = NAME
    option = f"--as {NAME}"
    checks_reference = False

    def make(self, found: Any, asked: Asked) -> DistributedStep:
        """Return a distributed step for a ``build`` function, with ``-p world=2 lr=…`` as its declarations."""
        from gdprops.subjects.distributed_step.subject import distributed_step

        require_keywords(distributed_step, asked.given, f"--as {NAME} {asked.spec}")
        if check_rule(asked.rule) not in (None, "sgd") or (asked.rule is not None and "lr" not in asked.given):
            raise UsageError(
                f"--rule {asked.rule}: a distributed step declares its rule by the optimizer that build returns, by -p "
                "lr=0.1 for plain descent, or in Python: gdprops.distributed_step(build, rule=…)"
            )
        named = {"name": label_of(asked.spec, asked.given), **asked.given}
        made: DistributedStep = distributed_step(found, **named)
        own_name = Origin(str(asked.given.get("name", "")))
        return replace(_found_under(made, asked.spec), hyperparameters=asked.given, origin=own_name)

    def rebound(self, found: DistributedStep, asked: Asked) -> DistributedStep:
        """Return a subject that the user bound to a name, with that name as its subject string.

        ``--world`` chooses among the worlds, or another one.
        """
        given = dict(asked.given)
        world = given.pop("world", None)
        if world is not None:
            from gdprops.subjects.distributed_step.declaration import EQUAL
            from gdprops.subjects.distributed_step.layouts import declared_mesh
            from gdprops.subjects.distributed_step.subject import worlds_of

            worlds, declared = worlds_of(world), found.declaration
            declared_mesh(declared.layouts, worlds, declared.parts != EQUAL)
            found = replace(found, declaration=replace(declared, worlds=worlds))
        return _found_under(super().rebound(found, replace(asked, given=given)), asked.spec)

    def named(self, subject: DistributedStep, name: str) -> DistributedStep:
        """Return a copy of the subject with another name."""
        return replace(subject, declaration=subject.declaration.named(name))

    def measure(self, subject: DistributedStep) -> Measurement:
        """Return no traits, and what a trial on one process, and one on the smallest world, have shown."""
        from gdprops.subjects.distributed_step.trial import tried

        found, notes = tried(subject)
        return Measurement(domain=found.domain, notes=notes, subject=found)

    def traits(self, subject: DistributedStep) -> Measurement:
        """Return what is replicated and what is sharded, on which mesh, and what build does to unequal weights."""
        from gdprops.subjects.distributed_step.trial import told_traits

        with self.at_work():
            return Measurement(notes=told_traits(subject))

    def at_work(self) -> AbstractContextManager[None]:
        """Let the pools of ranks stay inside this context, and end them with the last such one."""
        from gdprops.subjects.distributed_step.ranks.pools import POOLS

        return POOLS.held()

    def examined_together(
        self, subject: DistributedStep, clauses: Mapping[int, Clause], case: Any
    ) -> Mapping[int, Evidence | Exception]:
        """Return what each clause reads in the story of a case, which all ranks run once."""
        from gdprops.clauses.support.step_judges import answered
        from gdprops.subjects.distributed_step.observed import observed

        story = observed(subject.declaration, case)
        judges: dict[int, Any] = {k: clause.implementations[self.name].examine for k, clause in clauses.items()}
        return {k: answered(partial(judge.told, subject, story)) for k, judge in judges.items()}

    def spec(self, subject: DistributedStep) -> str:
        """Return the subject string with which a printed command finds the step."""
        return subject.spec

    def given(self, subject: DistributedStep) -> Mapping[str, Any] | None:
        """Return what a printed command declares; None if an own rule is bound to no name."""
        if subject.hyperparameters:
            return subject.hyperparameters
        if subject.declaration.training.rule_factory is not None or subject.declaration.training.own is not None:
            return None
        return subject.declaration.typed

    def scripts(
        self, subject: DistributedStep, case: Any, evidence: Evidence, arrays: str | None
    ) -> Iterable[Written] | None:
        """Return a script that spawns its ranks."""
        from gdprops.subjects.distributed_step.script import scripts

        return scripts(subject, case, evidence)

    def explains(self, clause: Clause) -> bool:
        """Say whether a wrong way to reduce may explain a violation: unequal collectives are a fact."""
        facts = ("collectives", "resume", "buffers", "random")
        return clause.id not in {f"distributed.{name}" for name in facts}

    def explain(
        self, subject: DistributedStep, failing: Sequence[Any], pool: Callable[[], Iterable[Any]]
    ) -> Explanation | None:
        """Return what the ranks do instead."""
        from gdprops.explanations.distributed_step.explain import explained

        return explained(subject, failing)


def _found_under(subject: DistributedStep, spec: str) -> DistributedStep:
    declared = subject.declaration
    return replace(subject, declaration=replace(declared, training=replace(declared.training, spec=spec)))


DISTRIBUTED_STEP = DistributedStepKind()
