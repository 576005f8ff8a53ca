"""Many examples of right steps on several processes: python tests/benchmarks/distributed_many.py FILE [MOST [NAME …]].

Every right step of the bank on 2 and 4 ranks (4 alone where it needs them), and each of its examples on one process
too. MOST examples of each (10,000), chunk by chunk of all subjects by turns; a line for every chunk is appended to
FILE, and what stands there is not run again: the script may be ended at any time. NAME is a part of the names of the
subjects that are wanted. Prints a table: how many examples, on how many ranks, how many of them are decisive for
distributed.equals-single, and what was accused, of which there must be nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from gdprops.clauses.distributed import IMPLEMENTATIONS
from gdprops.clauses.support.ranks_story import first_wrong
from gdprops.faults import twins
from gdprops.model.rank_mesh import fitted
from gdprops.strategies.distributed_loops import distributed_loops
from gdprops.subjects.distributed_step.observed import alone, observed
from gdprops.subjects.distributed_step.ranks.pools import POOLS
from gdprops.subjects.distributed_step.subject import DistributedStep
from gdprops.subjects.distributed_step.trial import tried
from gdprops.subjects.user_code.isolation import isolated

MOST, CHUNK, SHOWN = 10_000, 250, 3
SPECIAL = ("distributed.resume", "distributed.unused")
"""Clauses with cases of their own."""


def subjects(wanted: list[str]) -> dict[str, DistributedStep]:
    """Return the right steps by name, on 2 and 4 ranks where they run on 2."""
    found = dict[str, DistributedStep]()
    for twin in twins():
        if not twin.name.startswith("ranks-") or not any(part in twin.name for part in wanted or [""]):
            continue
        assert twin.subject is not None
        made: Any = twin.subject()
        declared = made.declaration
        is_for_both = declared.worlds == (2,) and fitted(declared.mesh, 4) is not None
        worlds = (2, 4) if is_for_both else declared.worlds
        found[twin.name] = replace(made, declaration=replace(declared, worlds=worlds))
    return found


def chunk_of(subject: DistributedStep, number: int, count: int) -> dict[str, Any]:
    """Run so many examples, and return what was counted."""
    judges = _judges(subject)
    counted, accused = Counter[str](), list[str]()

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(distributed_loops(subject.domain))
    def run(case: Any) -> None:
        story = observed(subject.declaration, case)
        counted[f"world {case.world}"] += 1
        for name, judge in judges.items():
            found = judge.told(subject, story)
            counted[f"{name} decisive"] += found.decisive and not found.violated
            if found.violated:
                accused.append(f"{name}: {found.reason or found.blame}")
        exact = [step.is_exact for step in story.steps]
        counted["exact steps"] += sum(exact)
        counted["steps"] += len(exact)
        control = alone(subject.declaration, case)
        counted["world 1"] += 1
        if control.steps and first_wrong(control) is not None:
            accused.append("on one process it is another step")

    started = time.process_time()
    with isolated():
        run()
    return {"counted": dict(counted), "accused": accused, "seconds": time.process_time() - started}


def _judges(subject: DistributedStep) -> dict[str, Any]:
    """Return what decides each clause that applies to the shared cases."""
    found = {
        name: implemented.examine for name, implemented in IMPLEMENTATIONS.items() if not implemented.unmet(subject)
    }
    return {name: examine for name, examine in found.items() if name not in SPECIAL}


def read(file: Path) -> list[dict[str, Any]]:
    """Return the chunks that were run before."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def table(chunks: list[dict[str, Any]], names: list[str]) -> Iterator[str]:
    """Yield a line for every subject."""
    yield f"{'subject':<42}{'1':>7}{'2':>7}{'4':>7}{'decisive':>10}{'exact':>7}{'accused':>9}"
    for name in names:
        counted, accused = Counter[str](), list[str]()
        for one in (one for one in chunks if one["subject"] == name):
            counted.update(one["counted"])
            accused += one["accused"]
        share = counted["exact steps"] / max(1, counted["steps"])
        worlds = "".join(f"{counted[f'world {n}']:>7}" for n in (1, 2, 4))
        decisive = counted["distributed.equals-single decisive"]
        yield f"{name:<42}{worlds}{decisive:>10}{share:>7.0%}{len(accused):>9}"
        yield from (f"    {told}" for told in accused[:SHOWN])


def main(file: Path, most: int, wanted: list[str]) -> None:
    """Run what is left, all subjects by turns, and print the table."""
    found, chunks = subjects(wanted), read(file)
    done = {(one["subject"], one["chunk"]) for one in chunks}
    measured = dict[str, DistributedStep]()
    with POOLS.held():
        for number in range(-(-most // CHUNK)):
            for name, subject in found.items():
                if (name, number) in done:
                    continue
                if name not in measured:
                    with isolated():
                        measured[name] = tried(subject)[0]
                told = {"subject": name, "chunk": number, **chunk_of(measured[name], number, CHUNK)}
                with file.open("a") as lines:
                    lines.write(f"{json.dumps(told)}\n")
    print("\n".join(table(read(file), list(found))))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else MOST, sys.argv[3:])
