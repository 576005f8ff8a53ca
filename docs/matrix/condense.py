"""Condenses the JSON of `gdprops survey` into results of the matrix: `python -m matrix.condense FILE.json…` in docs.

A survey of one package has megabytes of numbers; the matrix needs the status of each clause, one letter each. A file
that is already there is replaced, so that only what changed has to be surveyed again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matrix.records import HERE, STATUSES

LETTERS = {status: letter for letter, status in STATUSES.items()}
KEPT_TRAITS = ("separability", "lr_response")


def condensed(survey: Mapping[str, Any], package: str) -> dict[str, Any]:
    """Return the results of one package from the JSON form of its survey."""
    asked, reports = survey["asked"], survey["reports"]
    levels = {v["clause"]: v["level"] for report in reports for v in report["verdicts"]}
    packages = asked.get("packages", {})
    return {
        "package": package,
        "version": packages.get(package, ""),
        "module": asked["modules"][0],
        "how": {
            "gdprops": asked["version"],
            "specification": survey["specification"],
            "torch": packages.get("torch", ""),
            "examples": asked["examples"],
            "seed": asked["seed"],
            "parameters": asked["parameters"],
        },
        "clauses": levels,
        "implementations": [_implementation(report, list(levels)) for report in reports],
    }


def _implementation(report: Mapping[str, Any], clauses: list[str]) -> dict[str, Any]:
    name = report["key"].rpartition(":")[2]
    if report["unusable"]:
        return {"name": name, "unusable": report["unusable"]}
    found = {verdict["clause"]: LETTERS[verdict["status"]] for verdict in report["verdicts"]}
    traits = {key: report["traits"][key] for key in KEPT_TRAITS if key in report["traits"]}
    held = {"name": name, "verdicts": "".join(found.get(clause, " ") for clause in clauses), "traits": traits}
    return {**held, "aborted": report["aborted"]} if report["aborted"] else held


def main(paths: list[str]) -> None:
    """Write the results of each survey; the file is named after the package."""
    for path in paths:
        survey = json.loads(Path(path).read_text(encoding="utf-8"))
        others = [name for name in survey["asked"]["packages"] if name != "torch"]
        package = others[0] if others else "torch"
        text = json.dumps(condensed(survey, package), indent=1, ensure_ascii=False)
        (HERE / "results" / f"{package.lower()}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
