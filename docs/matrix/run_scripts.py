"""Runs the script of every finding whose package is installed: `python -m matrix.run_scripts [PACKAGE…]` in docs.

Each script runs in a process of its own, forked once torch is loaded, once for each class, and has to fail in its last
line. A script that does not fail any more is told, and the exit code is 1: the package has changed, or the finding was
wrong.
"""

from __future__ import annotations

import contextlib
import io
import multiprocessing
import sys
import traceback
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from matrix.records import packages

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from matrix.records import Package

SECONDS = 300.0
FILE = "<script>"


def shows(script: str) -> str:
    """Return why a script does not show its finding: empty if it fails in its last line."""
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(script, sending))
    process.start()
    sending.close()
    try:
        answer: str = receiving.recv() if receiving.poll(SECONDS) else f"it takes more than {SECONDS:g} s"
    except EOFError:
        answer = "it ends its process"
    process.kill()
    process.join()
    return answer


def _run(script: str, channel: Connection) -> None:
    """Run a script and send why it does not show its finding."""
    warnings.simplefilter("ignore")
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            exec(compile(script, FILE, "exec"), {"__name__": "finding"})
    except BaseException as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
        last = len(script.rstrip().splitlines())
        channel.send("" if lines and lines[0] == last else f"it fails in line {lines[:1]} of {last}: {error!r}")
    else:
        channel.send("it runs to its end")


def installed(package: Package) -> bool:
    """Say whether a package is installed in the version that was examined."""
    try:
        return version(package.name).partition("+")[0] == package.version.partition("+")[0]
    except PackageNotFoundError:
        return False


def main(names: list[str]) -> int:
    """Run the scripts and print a line for each; return 1 if one does not show its finding."""
    import torch  # noqa: F401 # once, for all scripts

    wrong = 0
    for package in packages():
        if (names and package.name not in names) or not installed(package):
            continue
        for finding in package.findings:
            for name, script in finding.scripts().items():
                why = shows(script)
                wrong += bool(why)
                print(f"{package.name} {package.version} {name} {finding.name}: {why or 'shown'}", flush=True)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
