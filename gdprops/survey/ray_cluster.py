"""Run a survey on a Ray cluster: one task per optimizer, which Ray retries if its worker is killed.

Inside its task, each optimizer still runs in its own process, as on one machine.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from gdprops.errors import UsageError
from gdprops.model.wording import on_one_line
from gdprops.survey.processes import PATIENCE, Limits, examine_all

if TYPE_CHECKING:
    from gdprops.runner.settings import Settings
    from gdprops.survey.processes import Seen
    from gdprops.survey.survey_data import Entry, Job

LOCAL = "local"
"""The address that stands for a cluster which is started on this machine for the duration of the survey."""
RETRIES = 3
"""How often Ray retries an optimizer whose worker was killed."""
SECONDS = 5.0
"""A cluster that does not answer within this many seconds counts as down."""
VARIABLES = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_USAGE_STATS_ENABLED": "0"}


def require_ray() -> None:
    """Raise `UsageError` if the package ``ray`` is missing."""
    from importlib.util import find_spec

    if find_spec("ray") is None:
        raise UsageError("--ray needs ray: pip install 'gdprops[ray]'")


def examine_on_ray(
    jobs: Sequence[Job], settings: Settings, *, address: str, workers: int, limits: Limits, seen: Seen
) -> Iterator[Entry]:
    """Yield an entry for every job as soon as it finishes.

    If the cluster cannot be used or cannot examine an optimizer, this machine examines it.
    """
    import ray

    if not _connected(address, workers):
        yield from examine_all(jobs, settings, workers=workers, limits=limits, seen=seen)
        return
    try:
        task = ray.remote(num_cpus=1, max_retries=RETRIES)(_examined)
        pending = {task.remote(job, settings, limits, os.getcwd()): job for job in jobs}
        while pending:
            for reference in ray.wait(list(pending), num_returns=1, timeout=PATIENCE)[0]:
                yield _entry(reference, pending.pop(reference), settings, limits, seen)
    finally:
        ray.shutdown()


def _examined(job: Job, settings: Settings, limits: Limits, folder: str) -> Entry:
    """Examine one optimizer on a worker of the cluster, in the same way as on one machine."""
    if os.path.isdir(folder):
        os.chdir(folder)
    (entry,) = examine_all([job], settings, workers=1, limits=limits, seen=lambda key, clause: None)
    return entry


def _entry(reference: Any, job: Job, settings: Settings, limits: Limits, seen: Seen) -> Entry:
    import ray

    seen(job.key, "(on Ray)")
    try:
        entry: Entry = ray.get(reference)
    except ray.exceptions.RayError as error:
        _warn(f"Ray could not examine {job.key} ({type(error).__name__}); it is examined on this machine")
        (entry,) = examine_all([job], settings, workers=1, limits=limits, seen=seen)
    return entry


def _connected(address: str, workers: int) -> bool:
    """Start or join a cluster. Print a warning and return False if that fails."""
    import logging

    import ray

    local = {"num_cpus": workers, "include_dashboard": False} if address == LOCAL else {"address": address}
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {"env_vars": {"PYTHONPATH": paths}} if address == LOCAL else None
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
    try:
        _require_answer(address)
        ray.init(**local, runtime_env=environment, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        why = on_one_line(error)[:200]
        _warn(f"Ray at {address} cannot be used ({type(error).__name__}: {why}); this machine does the work")
        return False
    return True


def _require_answer(address: str) -> None:
    """Raise `OSError` if no server answers at an address: Ray itself would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS).close()


def _warn(message: str) -> None:
    print(f"gdprops: warning: {message}", file=sys.stderr)
