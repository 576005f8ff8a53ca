"""The report that `gdprops.check` returns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, final

from gdprops.model.nearest_name import nearest
from gdprops.model.verdict import RED, About, names_of
from gdprops.report.json_file import outcome_dict

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.verdict import Verdict


@final
class Report:
    """The result of one check; ``print(report)`` shows it as the command line does.

    ``report["step.simultaneous"]`` is the verdict of one clause. Iterating yields all verdicts in the order of the
    specification.
    """

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    @property
    def ok(self) -> bool:
        """Whether no clause was violated and at least one clause held."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0 nothing violated; 1 violated or aborted; 3 a bug of gdprops; 5 not decided."""
        return self.outcome.exit_code

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Every verdict, about the subject and about the reference."""
        return self.outcome.verdicts

    @property
    def violations(self) -> tuple[Verdict, ...]:
        """The subject's verdicts that are violated or aborted, recommended clauses included."""
        return tuple(verdict for verdict in self.outcome.of(About.SUBJECT) if verdict.status in RED)

    @property
    def sentence(self) -> str:
        """What was found, in one sentence, as a gradebook says it: what is wrong, that all is right, or no verdict."""
        from gdprops.report.subjects_table import sentence

        return sentence(self.outcome)

    def __getitem__(self, clause: str) -> Verdict:
        """Return a clause's verdict about the subject or, if there is none, its verdict about the reference.

        Raises `KeyError` for a clause that was not run, and suggests the nearest name.
        """
        for about in About:
            for verdict in self.outcome.of(about):
                if verdict.clause == clause:
                    return verdict
        raise KeyError(f"no verdict on {clause!r}{nearest(clause, names_of(self.verdicts))}")

    def __iter__(self) -> Iterator[Verdict]:
        return iter(self.verdicts)

    def __len__(self) -> int:
        return len(self.verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON data (infinities and NaN as strings)."""
        return outcome_dict(self.outcome)

    def __str__(self) -> str:
        from gdprops.report.terminal import outcome_text

        return outcome_text(self.outcome)

    def _repr_html_(self) -> str:
        """Return the report for a notebook: the page of ``--html``, or plain text if its packages are missing."""
        from html import escape
        from importlib.util import find_spec

        if find_spec("jinja2") is None or find_spec("matplotlib") is None:
            return f"<pre>{escape(str(self))}</pre>"
        from gdprops.report.html_file import in_notebook

        return in_notebook([self.outcome])

    def __repr__(self) -> str:
        return f"<Report on {self.outcome.subject}: exit code {self.exit_code}>"
