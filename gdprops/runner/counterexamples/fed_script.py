"""The script of a subject that is fed gradients: its recorded runs, up to the line that fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gdprops.runner.counterexamples.script_ending import Ending, endings
from gdprops.subjects.script_lines import Written, bound_names

if TYPE_CHECKING:
    from gdprops.model.evidence import Evidence
    from gdprops.model.subject import FedSubject
    from gdprops.runner.counterexamples.recorded_script import RunLines


def fed_scripts(subject: FedSubject, runs: list[RunLines], evidence: Evidence) -> Iterator[Written]:
    """Yield scripts that may show a violation, the most readable one first."""
    head = subject.script.head().rstrip().splitlines()
    bound = bound_names(subject.spec, subject.user_object)
    for ending in endings(runs, subject.script, evidence):
        dtypes = dict.fromkeys(runs[max(ending.shown)].dtypes)
        yield Written(head, _body(runs, ending), ", ".join(dtypes), ending.crashes, bound)


def _body(runs: list[RunLines], ending: Ending) -> list[str]:
    """Return the lines of the shown runs, each with a title if there are several."""
    lines, several = list[str](), len(ending.shown) > 1
    for number, k in enumerate(sorted(ending.shown), start=1):
        lines += ["", f"# run {number} of {len(ending.shown)}"] if several else [""]
        lines += [*runs[k].lines[: ending.shown[k]], *ending.after.get(k, ())]
    return [*lines, *ending.last]
