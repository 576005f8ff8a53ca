"""`gdprops.watch`: watch the first steps of a training run, as a context.

``with gdprops.watch(steps=20) as live: trainer.fit(model)``, then ``print(live.report)``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, final

from gdprops.model.ledger import record_of
from gdprops.model.note import Note
from gdprops.model.wording import plural
from gdprops.report.report import Report
from gdprops.watching.limits import ENTRIES, STEPS

if TYPE_CHECKING:
    from gdprops.model.ledger import Ledger
    from gdprops.model.live_finding import LiveFinding
    from gdprops.model.rank_record import RankRecord
    from gdprops.watching.session import Session


@final
class LiveRun:
    """A watched run: a context in which torch is hooked. Afterwards ``report`` says what was found.

    An exception of the run's goes on. An error of gdprops ends the watching, and ``report`` tells it; it never reaches
    the run.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        *,
        strict: bool = False,
        frozen: Sequence[str] = (),
    ) -> None:
        from gdprops.runner.project.configuration import FILE, find
        from gdprops.runner.project.terms import Terms

        project = find(Path.cwd())
        self._terms = Terms() if project is None else Terms(project.specification, project.exclude, source=FILE)
        self._session = session
        self._name, self._strict, self._frozen = name, strict, tuple(frozen)
        self._raised: str | None = None
        self._others: tuple[RankRecord, ...] = ()
        self._silent = 0
        self._report: Report | None = None

    def __enter__(self) -> LiveRun:
        self._session.begin()
        return self

    def ended_by(self, error: BaseException | None) -> None:
        """End the watching now; ``error`` is what the run has raised."""
        if error is not None and not isinstance(error, SystemExit) and self._raised is None:
            self._raised = type(error).__name__
        self._session.end(error)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.ended_by(error)

    @property
    def steps(self) -> int:
        """How many steps of optimizers have begun so far."""
        return self._session.steps

    @property
    def error(self) -> str | None:
        """The traceback of an error of gdprops that has ended the watching, None where there was none."""
        return self._session.error

    @property
    def ledgers(self) -> tuple[Ledger, ...]:
        """What was seen, one ledger for each thread in which an optimizer stepped."""
        return tuple(replace(ledger, frozen=self._frozen, ranks=self._others) for ledger in self._session.ledgers())

    def record(self) -> RankRecord:
        """Return what this process tells the others of a distributed run."""
        return replace(record_of(self.ledgers[0]), findings=self.findings)

    def hear(self, others: Sequence[RankRecord], *, expected: int) -> None:
        """Take what the other processes of a distributed run have told into the report."""
        self._others, self._silent = tuple(others), expected - len(others)

    @property
    def report(self) -> Report:
        """The verdicts of the chapter `live` on what was seen."""
        if self._report is None:
            from gdprops.runner.watched_run import judged

            notes = [Note(f"gdprops took {self._session.seconds:.2g} s of the run for watching")]
            if self._raised is not None:
                notes.append(Note(f"the run ended with {self._raised}"))
            if self._silent:
                notes.append(Note(f"{plural(self._silent, 'process', 'processes')} of this machine told nothing"))
            self._report = Report(
                judged(
                    self._name,
                    self.ledgers,
                    error=self.error,
                    strict=self._strict,
                    terms=self._terms,
                    notes=notes,
                    kept=self._session.kept,
                    others=self._others,
                )
            )
        return self._report

    @property
    def findings(self) -> tuple[LiveFinding, ...]:
        """What was found, errors and notes, in the order of the specification."""
        return tuple(finding for verdict in self.report for finding in verdict.findings)


def watch(
    steps: int = STEPS,
    *,
    every: int | None = None,
    entries: int = ENTRIES,
    strict: bool = False,
    frozen: Sequence[str] = (),
    record: str | Path | None = None,
    rule: bool = False,
    name: str = "a watched run",
) -> LiveRun:
    """Return a context in which the first steps of a training run are watched.

    Args:
        steps: The number of optimizer steps to watch. After them every hook is removed.
        every: Watch as many steps again after each so many; between these stretches steps are only counted.
        entries: Of tensors with more entries than this, about so many are compared, evenly spread.
        strict: Whether notes (violated recommendations) fail too.
        frozen: Patterns of names of parameters that are not meant to be trained.
        record: A folder for the weights and batches of the first step, and a file in which the step can be written down
            for ``gdprops check``.
        rule: Whether the third step of each optimizer is made again by copies of it, one per tensor, in a process of
            their own.
        name: What the report calls the run.

    Returns:
        The watched run. When the context is left, ``live.report`` and ``live.findings`` say what was found.

    Raises:
        UsageError: ``steps`` or ``entries`` is no whole number of at least 1, ``every`` none above ``steps``, or
            ``record`` cannot be written or holds a step already.
    """
    from gdprops.watching.ranks import ranks_of
    from gdprops.watching.session import Session

    ranks = ranks_of(os.environ)
    folder = None if record is None else Path(record)
    rank = None if ranks is None else ranks.rank
    session = Session(steps, entries=entries, every=every, record=folder, rank=rank, copies=rule)
    return LiveRun(name, session, strict=strict, frozen=frozen)
