"""The main process of ``gdprops check -n N``: hand items to pytest-xdist, show progress and collect the verdicts."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, final

import pytest

from gdprops.model.verdict import Status, Verdict, unexamined
from gdprops.runner.contained.supervisor import THREADS
from gdprops.runner.workers.worker_plugin import GIVEN_UP, OPTION, item_id, received

if TYPE_CHECKING:
    from gdprops.model.item import Item
    from gdprops.runner.request import RunRequest
    from gdprops.runner.watcher import Watcher

ITEMS = Path(__file__).with_name("worker_items.py")
UNUSED = (
    "cacheprovider",
    "doctest",
    "warnings",
    "stepwise",
    "junitxml",
    "pastebin",
    "logging",
    "faulthandler",
)
"""The plugins of pytest that are switched off, because the run does not need them."""

DIED = "the worker process died while it ran this clause (a crash of native code, an exit, or no memory left)"

PATIENCE = 0.5
"""How many seconds workers have to end after Ctrl-C before they are killed (xdist's own default is 10)."""

MOST_DEATHS = 5
"""If this many workers die in a row and no clause finishes in between, the remaining clauses are not run."""

ENDED = "the worker processes ended before this clause was run"

FOREIGN = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_XDIST_AUTO_NUM_WORKERS")
"""The user's own settings for pytest, which do not apply to this run."""


def run_parallel(request: RunRequest, items: Sequence[Item], workers: int, watcher: Watcher) -> tuple[Verdict, ...]:
    """Run the items on worker processes and return their verdicts.

    An item whose worker died gets the verdict ``aborted``. Raises `KeyboardInterrupt` if the run was interrupted; by
    then the watcher knows the verdicts of all finished items.
    """
    collector = Collector(items, watcher)
    printed = StringIO()
    with TemporaryDirectory(prefix="gdprops-") as folder, _environment(), redirect_stdout(printed):
        code = pytest.main(_arguments(request, workers, Path(folder)), plugins=[collector])
    if collector.interrupted:
        raise KeyboardInterrupt
    if not collector.began:
        raise RuntimeError(f"the worker processes could not run (pytest ended with {code!r}):\n{printed.getvalue()}")
    return collector.verdicts(complete=not request.settings.fail_fast)


def workers_of(text: str, items: int) -> int:
    """Return how many worker processes ``-n auto`` or ``-n N`` means for this many items."""
    wanted = _cores() if text == "auto" else int(text)
    return max(1, min(wanted, items))


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not tell which cores this process may use
        return os.cpu_count() or 1


def _arguments(request: RunRequest, workers: int, folder: Path) -> list[str]:
    configuration = folder / "pytest.ini"
    configuration.write_text("[pytest]\n", encoding="utf-8")
    arguments = [str(ITEMS), "-c", str(configuration), "--rootdir", str(folder), "--noconftest"]
    arguments += ["-p", "xdist.plugin", "-p", "gdprops.runner.workers.worker_plugin"]
    arguments += [part for name in UNUSED for part in ("-p", f"no:{name}")]
    arguments += ["-n", str(workers), "--dist", "worksteal", "--max-worker-restart", "1000"]
    arguments += ["--capture", "sys", "--assert", "plain", "-q"]
    arguments += ["--maxfail", "1"] if request.settings.fail_fast else []
    return [*arguments, OPTION, request.to_json()]


@contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@final
class Collector:
    """Receives the report of every item in the main process, tells the watcher and keeps the verdicts by item."""

    def __init__(self, items: Sequence[Item], watcher: Watcher) -> None:
        self._items = {item_id(item): item for item in items}
        self._watcher = watcher
        self._verdicts: dict[str, Verdict] = {}
        self._plugins: pytest.PytestPluginManager | None = None
        self._deaths = 0
        self.began = False
        self.interrupted = False

    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep the plugin manager, through which xdist and its workers are reached."""
        self._plugins = config.pluginmanager

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note Ctrl-C, and do not wait for busy workers.

        pytest's own ways to stop early raise subclasses of `KeyboardInterrupt`; they do not count as Ctrl-C.
        """
        self.interrupted = excinfo.type is KeyboardInterrupt
        xdist = self._plugins.get_plugin("dsession") if self._plugins else None
        if self.interrupted and xdist is not None:
            xdist.nodemanager.EXIT_TIMEOUT = PATIENCE

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell the watcher which item a worker has begun."""
        self.began = True
        key = _key(nodeid)
        if key in self._items:
            self._watcher.started(self._items[key], len(self._verdicts), len(self._items))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the verdict in a report; a failure without a verdict is a bug of gdprops or a dead worker."""
        key = _key(report.nodeid)
        if key not in self._items or key in self._verdicts:
            return
        verdict = received(report.user_properties)
        if verdict is not None and report.when == "call":
            self._keep(key, verdict)
        elif report.failed:
            self._keep(key, failure(self._items[key], report))

    def _keep(self, key: str, verdict: Verdict) -> None:
        self._verdicts[key] = verdict
        self._watcher.finished(verdict)
        self._deaths = self._deaths + 1 if verdict.reason == DIED else 0
        if self._deaths >= MOST_DEATHS:
            os.environ[GIVEN_UP] = "1"  # new workers inherit the variable; `_environment` removes it in the end

    def verdicts(self, *, complete: bool) -> tuple[Verdict, ...]:
        """Return the verdicts in the order of the items; with ``complete``, items that never ran count as aborted."""
        if complete:
            for key in self._items.keys() - self._verdicts.keys():
                self._keep(key, _unexamined(self._items[key], Status.ABORTED, ENDED))
        return tuple(self._verdicts[key] for key in self._items if key in self._verdicts)


def failure(item: Item, report: pytest.TestReport) -> Verdict:
    """Return the verdict of an item whose test failed without a verdict of its own."""
    if str(report.when) == "???":  # xdist's mark of a dead worker
        return _unexamined(item, Status.ABORTED, DIED)
    return _unexamined(item, Status.ERROR, str(report.longrepr))


def _unexamined(item: Item, status: Status, reason: str) -> Verdict:
    return unexamined(item.clause, item.about, status, reason)


def _key(nodeid: str) -> str:
    return nodeid.partition("[")[2].removesuffix("]")
