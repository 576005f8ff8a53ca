"""Collect the verdicts of all tests of a pytest run, and write the reports at its end.

Tests may run in worker processes of pytest-xdist. Each test's report carries its verdict as text, and the main process
puts the verdicts together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import pytest

from gdprops.errors import UsageError
from gdprops.report.junit_file import properties
from gdprops.report.report_files import Files
from gdprops.runner.conclude import conclude
from gdprops.runner.project.accepted import near, unmatched
from gdprops.runner.project.terms import terms_from
from gdprops.runner.settings import Settings
from gdprops.runner.signals import terminable

if TYPE_CHECKING:
    from gdprops.model.outcome import Outcome
    from gdprops.model.subject import Subject as Examined
    from gdprops.model.verdict import Verdict

RUN = "gdprops-run"
FORMS = ("json", "junit", "markdown", "html", "figures", "sarif")


def run_properties(verdict: Verdict, settings: Settings, subject: Examined, clauses: int) -> Iterator[tuple[str, str]]:
    """Yield the properties of a test: first those for readers, then the data from which reports are made."""
    yield from properties(verdict, subject.name)
    terms = replace(settings.terms, accepted=())  # the verdict already says whether its violation is accepted
    plain = replace(settings, terms=terms, database=None, counterexamples=None, share=None)  # no paths, no passwords
    which = {"subject": subject.name, "identity": subject.identity.key}
    yield RUN, json.dumps({**which, "clauses": clauses, "settings": asdict(plain)})


@final
@dataclass(slots=True)
class Subject:
    """The verdicts about one subject; ``clauses`` is the number of clauses of a whole run, 0 if that is unknown."""

    identity: str
    settings: Settings
    clauses: int
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def outcome(self, name: str, *, complete: bool, interrupted: bool) -> Outcome:
        """Return the outcome of the subject; a minimum of held clauses is required of whole runs only.

        A run that pytest has ended early (``-x``) is not ``complete``, nor is one in which ``-k`` chose some tests;
        ``interrupted`` is only what somebody has ended.
        """
        whole = complete and 0 < self.clauses <= len(self.verdicts)
        verdicts = list(self.verdicts.values())
        timing = {"seconds": sum(verdict.seconds for verdict in verdicts)}
        whole = whole or (complete and not self.clauses)
        return conclude(
            name, self.settings, verdicts, timing, complete=whole, interrupted=interrupted, identity=self.identity
        )


@final
class Recorder:
    """Collects verdicts from the reports of tests, in whichever process these ran."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._subjects: dict[str, Subject] = {}
        self._interrupted = False
        self._outcomes: list[Outcome] = []
        self._unmatched: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the verdict that a test's report carries."""
        if report.when == "call" and any(name == RUN for name, _ in report.user_properties):
            self._keep(dict(report.user_properties))

    def _keep(self, found: dict[str, Any]) -> None:
        from gdprops.plugin.verdict_property import received

        run = json.loads(found[RUN])
        settings = Settings(**{**run["settings"], "terms": terms_from(run["settings"]["terms"])})
        verdict = received(list(found.items()))
        subject = self._subjects.setdefault(run["subject"], Subject(run["identity"], settings, 0))
        if verdict is None:
            return
        if run["clauses"]:
            subject.settings, subject.clauses = settings, run["clauses"]
        subject.verdicts[f"{verdict.clause} {verdict.about}"] = verdict

    def _ran(self) -> set[tuple[str, str]]:
        """Return the clauses that ran, with the subject's name and with the key of its identity."""
        named = ((key, found) for name, found in self._subjects.items() for key in (name, found.identity))
        return {(key, verdict.clause) for key, found in named for verdict in found.verdicts.values()}

    def pytest_keyboard_interrupt(self) -> None:
        """Note that the run was interrupted and is not complete."""
        self._interrupted = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the reports; the run fails if that fails, too few clauses held or an accepted one matches no test."""
        complete = not (self._interrupted or session.shouldstop or session.shouldfail)
        found, ended = sorted(self._subjects.items()), self._interrupted
        self._outcomes = [s.outcome(name, complete=complete, interrupted=ended) for name, s in found]
        written = self._files.write(self._outcomes, prefix="--gdprops-")
        if complete and _is_whole(session.config):
            self._unmatched = unmatched(near(session.config.rootpath), self._ran())
        too_few_held = any(outcome.held < outcome.min_clauses for outcome in self._outcomes)
        if session.exitstatus == pytest.ExitCode.OK and (too_few_held or self._unmatched or not written):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print for every subject how many clauses held, and whether that is too few."""
        from gdprops.report.summary import summary_line, too_few

        if self._outcomes:
            terminalreporter.section("gdprops")
        for outcome in self._outcomes:
            terminalreporter.write_line(summary_line(outcome))
            for line in too_few(outcome):
                terminalreporter.write_line(line, red=True)
        for line in self._unmatched:
            terminalreporter.write_line(line, red=True)


def _is_whole(config: pytest.Config) -> bool:
    """Say whether the command line asks for every configured subject and every test of the project."""
    chosen = ("keyword", "markexpr", "deselect", "lf", "gdprops_shard")
    some = any(config.getoption(name, None) for name in chosen)
    return bool(config.getoption("gdprops")) and not some and config.args_source != pytest.Config.ArgsSource.ARGS


def files_of(config: pytest.Config) -> Files:
    """Return the files that pytest's options ask for. Raises `pytest.UsageError` for one that cannot be written."""
    files = Files(**{form: config.getoption(f"gdprops_{form}") for form in FORMS})
    try:
        files.require("--gdprops-")
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    return files


def record(config: pytest.Config) -> None:
    """Register a recorder in the main process of a run, and let SIGTERM interrupt the run as Ctrl-C does."""
    config.pluginmanager.register(Recorder(files_of(config)), "gdprops-recorder")
    inside = ExitStack()
    inside.enter_context(terminable())
    config.add_cleanup(inside.close)
