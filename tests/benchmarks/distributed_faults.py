"""Faults of steps on several processes at five seeds: python tests/benchmarks/distributed_faults.py FILE [NAME …].

Each fault by every clause that claims it: after how many examples, of at most 100, it is refuted, and what is then told
of the first failing example. A line for every fault is appended to FILE, and what stands there is not run again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from gdprops.clauses.distributed import CLAUSES, IMPLEMENTATIONS
from gdprops.errors import GdpropsError
from gdprops.explanations.distributed_step.explain import NONE_FITS, explained
from gdprops.faults import bank
from gdprops.subjects.distributed_step.observed import observed
from gdprops.subjects.distributed_step.ranks.pools import POOLS
from gdprops.subjects.distributed_step.trial import tried
from gdprops.subjects.user_code.isolation import isolated

SEEDS, MOST = range(5), 100
FACTS = ("collectives", "resume", "buffers", "random")
"""Clauses whose violations are facts, which nothing explains."""


class _Refuted(Exception):
    pass


def refuting(subject: Any, clause: str, number: int) -> tuple[int, Any]:
    """Return how many examples it took to refute a fault by a clause, 0 if it was not, and the failing case."""
    implemented: Any = IMPLEMENTATIONS[clause]
    looked = list[Any]()

    @seed(number)
    @settings(
        max_examples=MOST,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(implemented.cases(subject.domain))
    def run(case: Any) -> None:
        looked.append(case)
        if implemented.examine.told(subject, observed(subject.declaration, case)).violated:
            raise _Refuted

    try:
        run()
    except _Refuted:
        return len(looked), looked[-1]
    return 0, None


def line_of(fault: Any, clauses: list[str]) -> dict[str, Any]:
    """Return what became of a fault."""
    with isolated():
        subject = tried(fault.subject())[0]
        found = {clause: [refuting(subject, clause, number) for number in SEEDS] for clause in clauses}
        explanations = [
            explained(subject, [case])
            for clause, several in found.items()
            for _, case in several
            if case is not None and clause.rpartition(".")[2] not in FACTS
        ]
    taken = {clause: [count for count, _ in several] for clause, several in found.items()}
    told = [f"{one.clause}: {one.text}" for one in explanations if one is not None]
    return {"fault": fault.name, "examples": taken, "told": told}


def shown(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Yield the table, and how many faults are named."""
    explained_ones = [one for one in lines if one["told"]]
    for one in lines:
        for clause, counts in one["examples"].items():
            yield f"{one['fault']:<45}{clause:<30}{' '.join(f'{n:>3}' for n in counts)}"
        yield from (f"    {text}" for text in dict.fromkeys(one["told"]))
    missed = [one["fault"] for one in lines if any(not all(counts) for counts in one["examples"].values())]
    named = [one for one in explained_ones if all(NONE_FITS not in text for text in one["told"])]
    yield f"{len(lines)} faults, not refuted at every seed by every clause: {', '.join(missed) or 'none'}"
    yield f"{len(named)} of {len(explained_ones)} are named at every seed"


def main(file: Path, wanted: list[str]) -> None:
    """Run what is left, and print the table."""
    claims = {name: [c.id for c in CLAUSES if name in c.refuted_by] for c in CLAUSES for name in c.refuted_by}
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {one["fault"] for one in lines}
    with POOLS.held():
        for fault in bank():
            if fault.name in done or fault.name not in claims or not any(part in fault.name for part in wanted or [""]):
                continue
            try:
                one = line_of(fault, claims[fault.name])
            except GdpropsError as error:
                one = {"fault": fault.name, "examples": {}, "told": [f"not run: {error}"]}
            lines.append(one)
            with file.open("a") as output:
                output.write(f"{json.dumps(one)}\n")
    print("\n".join(shown(lines)))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2:])
