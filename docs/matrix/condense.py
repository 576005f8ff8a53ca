"""Condenses the JSON of `gdprops survey` into results of the matrix: `python -m matrix.condense FILE.json…` in docs.

A survey of one package has megabytes of numbers; the matrix needs the status of each clause, one letter each. A file
that is already there is replaced, so that only what changed has to be surveyed again.

A survey with few examples does not see every violation that another run saw. What was read in the source, of the same
version, stays violated, and ``how["earlier"]`` names it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matrix.records import HERE, STATUSES, packages

LETTERS = {status: letter for letter, status in STATUSES.items()}
VIOLATED = LETTERS["violated"]
KEPT_TRAITS = ("separability", "lr_response")


def condensed(survey: Mapping[str, Any], package: str) -> dict[str, Any]:
    """Return the results of one package from the JSON form of its survey."""
    asked, reports = survey["asked"], survey["reports"]
    levels = {v["clause"]: v["level"] for report in reports for v in report["verdicts"]}
    packages = asked.get("packages", {})
    return {
        "package": package,
        "version": _released(packages.get(package, "")),
        "module": asked["modules"][0],
        "how": {
            "gdprops": asked["version"],
            "specification": survey["specification"],
            "torch": _released(packages.get("torch", "")),
            "examples": asked["examples"],
            "seed": asked["seed"],
            "parameters": asked["parameters"],
            **({} if survey.get("complete", True) else {"unfinished": True}),
        },
        "clauses": levels,
        "implementations": [_implementation(report, list(levels)) for report in reports],
    }


def with_earlier(results: dict[str, Any], folder: Path = HERE) -> dict[str, Any]:
    """Keep the violations that were read in the source of this version, and that this survey did not see again."""
    before = [
        each for each in packages(folder) if (each.name, each.version) == (results["package"], results["version"])
    ]
    clauses = list(results["clauses"])
    rows = {each["name"]: dict(each) for each in results["implementations"]}
    kept: dict[str, list[str]] = {}
    for package in before:
        violated = {each.name: package.violated(each) for each in package.implementations}
        for reading in (*package.findings, *package.choices):
            pairs = [(name, clause) for name in reading.classes for clause in reading.clauses if clause in clauses]
            for name, clause in pairs:
                row = rows.setdefault(name, {"name": name, "verdicts": " " * len(clauses), "traits": {}})
                seen = row.get("verdicts", "")
                place = clauses.index(clause)
                if seen and seen[place] != VIOLATED and clause in violated.get(name, ()):
                    row["verdicts"] = seen[:place] + VIOLATED + seen[place + 1 :]
                    kept.setdefault(name, []).append(clause)
    rows = {name: row for name, row in rows.items() if row.get("verdicts", "").strip() or "unusable" in row}
    how = {**results["how"], "earlier": kept} if kept else results["how"]
    return {**results, "how": how, "implementations": [rows[name] for name in sorted(rows)]}


def _implementation(report: Mapping[str, Any], clauses: list[str]) -> dict[str, Any]:
    name = report["key"].rpartition(":")[2]
    if report["unusable"]:
        return {"name": name, "unusable": re.sub(r"/\S*/site-packages/", "", report["unusable"])}
    if home := _elsewhere(report):
        return {"name": name, "unusable": f"it is a class of {home}, and belongs to the row there"}
    found = {verdict["clause"]: LETTERS[verdict["status"]] for verdict in report["verdicts"]}
    traits = {key: report["traits"][key] for key in KEPT_TRAITS if key in report["traits"]}
    held = {"name": name, "verdicts": "".join(found.get(clause, " ") for clause in clauses), "traits": traits}
    return {**held, "aborted": report["aborted"]} if report["aborted"] else held


def _released(version: str) -> str:
    """Return a version without what only says how it was built, as in 2.13.0+cpu."""
    return version.partition("+")[0]


def _elsewhere(report: Mapping[str, Any]) -> str:
    """Return the module that a class was imported from, if it is of another package: it is to be counted once."""
    own = report["key"].partition(".")[0].partition(":")[0]
    cases = (verdict.get("counterexample") or {} for verdict in report["verdicts"])
    texts = [str((case.get("case") or {}).get("identity", "")) for case in cases]
    homes = {found[1] for text in texts if (found := re.search(r"factory: (\w+)[.\w]*:", text))}
    return next(iter(sorted(homes - {own})), "")


def main(paths: list[str]) -> None:
    """Write the results of each survey; the file is named after the package."""
    for path in paths:
        survey = json.loads(Path(path).read_text(encoding="utf-8"))
        others = [name for name in survey["asked"]["packages"] if name != "torch"]
        package = others[0] if others else "torch"
        text = json.dumps(with_earlier(condensed(survey, package)), indent=1, ensure_ascii=False)
        (HERE / "results" / f"{package.lower()}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
