"""Every form of the report, from the same verdicts."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gdprops.errors import UsageError
from gdprops.model.clause import Level
from gdprops.model.verdict import SPECIFICATION
from gdprops.report import report_files
from gdprops.report.junit_file import write_junit
from gdprops.report.markdown_file import markdown
from gdprops.report.report_files import Files
from gdprops.runner.signals import terminable
from tests.report import verdicts

EVERYTHING = verdicts.outcome(
    verdicts.held(),
    verdicts.violated(clause="step.plain", reason="\x1b[31mred\x1b[0m <b>"),
    verdicts.violated(clause="step.cost", level=Level.RECOMMENDED),
    verdicts.vacuous(),
    verdicts.not_applicable(),
    verdicts.held(clause="step.once", status=verdicts.Status.ACCEPTED, reason="known since 1.2"),
    verdicts.held(clause="step.moves-all", status=verdicts.Status.ERROR, reason="KeyError"),
    verdicts.reference(),
)


def cases(tmp_path: Path, *outcomes: verdicts.Outcome) -> dict[str, ElementTree.Element]:
    write_junit(str(tmp_path / "r.xml"), outcomes)
    root = ElementTree.parse(tmp_path / "r.xml").getroot()
    return {case.attrib["name"]: case for case in root.iter("testcase")}


def test_junit_says_what_each_status_means(tmp_path: Path) -> None:
    found = cases(tmp_path, EVERYTHING)
    inside = {name: [part.tag for part in case if part.tag != "properties"] for name, case in found.items()}
    assert inside == {
        "step.simultaneous": [],
        "step.plain": ["failure"],
        "step.cost": ["system-out"],
        "step.trains": ["skipped"],
        "step.once": ["skipped"],
        "step.moves-all": ["error"],
        "gradient.pure (reference)": [],
    } | {"step.plain": inside["step.plain"]}
    skipped = found["step.once"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "accepted: known since 1.2"


def test_junit_counts_and_has_the_properties(tmp_path: Path) -> None:
    found = cases(tmp_path, EVERYTHING)
    (suite,) = ElementTree.parse(tmp_path / "r.xml").getroot()
    assert {key: suite.attrib[key] for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "1",
        "errors": "1",
        "skipped": "3",
    }
    properties = {p.attrib["name"]: p.attrib["value"] for p in found["step.simultaneous"].iter("property")}
    assert properties == {
        "subject": "mypkg:MySGD(lr=0.5)",
        "clause": "step.simultaneous",
        "about": "subject",
        "specification": str(SPECIFICATION),
        "status": "held",
        "examples": "100",
        "decisive": "96",
        "worst_ratio": "exact",
    }


def test_markdown_has_a_table_the_violations_and_what_to_do_next() -> None:
    text = markdown([EVERYTHING])
    assert text.startswith(
        "## 💥 gdprops: ERROR mypkg:MySGD(lr=0.5): 1 required clause fails, 1 recommended clause fails"
    )
    assert "\n### ❌ VIOLATED step.plain\n\n- **instead** A layer-by-layer update, last layer first," in text
    assert "\n### 🔶 VIOLATED step.cost (recommended)\n" in text
    assert "\n- **step** 1 held · 1 violated · 1 violated (recommended) · 1 error · 1 accepted · 1 not decided" in text
    assert "| ✅ | `step.simultaneous` | One step equals U(w, g(w), s) with every gradient" in text
    assert "<br>*not decided: the loss was not finite in 97 examples*" in text
    assert "<summary>step: 7 clauses, one by one</summary>" in text
    assert "Not every clause was run." not in text
    assert "Not every clause was run." in markdown([verdicts.outcome(verdicts.held(), complete=False)])


def test_markdown_shows_text_as_it_is() -> None:
    text = markdown([verdicts.outcome(verdicts.held(statement="a | b <i> *c* `d` [x](y) w_1"))])
    assert r"a \| b &lt;i&gt; \*c\* \`d\` \[x\](y) w\_1" in text
    fenced = markdown([verdicts.outcome(verdicts.violated(reason="```\nbroken"))])
    assert "\n````text\n" in fenced


def test_paths_are_tried_before_the_run_and_left_as_they_were(tmp_path: Path) -> None:
    wanted = Files(json=str(tmp_path / "r.json"), figures=None, markdown=str(tmp_path / "r.md"))
    assert wanted
    wanted.require()
    assert list(tmp_path.iterdir()) == []
    for form in ("json", "junit", "markdown"):
        with pytest.raises(UsageError, match=rf"^--{form} /no/such/f: cannot be written \(No such file"):
            Files(**{form: "/no/such/f"}).require()
    with pytest.raises(UsageError, match=r"^--gdprops-json /no/such/f: cannot be written"):
        Files(json="/no/such/f").require("--gdprops-")
    assert not Files()


@pytest.mark.parametrize(("form", "named"), [("html", "jinja2 and matplotlib"), ("figures", "matplotlib")])
def test_missing_packages_are_named_before_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str, named: str
) -> None:
    monkeypatch.setattr(report_files, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=rf"^--{form} needs {named}: pip install 'gdprops\[report\]'$"):
        Files(**{form: str(tmp_path / "x")}).require()


def test_a_folder_for_figures_is_made_or_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match=r"^--figures .*file: cannot be written \(File exists\)"):
        report_files.ensure_folder(str(tmp_path / "file"), "--figures")
    report_files.ensure_folder(str(tmp_path / "a" / "b"), "--figures")
    assert (tmp_path / "a" / "b").is_dir()


def test_sigterm_interrupts_inside_and_is_put_back() -> None:
    with pytest.raises(KeyboardInterrupt), terminable() as received:  # noqa: PT012 - the signal arrives inside
        assert not received
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with terminable():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_subject_that_could_not_be_used_is_an_error_everywhere(tmp_path: Path) -> None:
    refused = verdicts.outcome(refused="no such file: x.py")
    (case,) = cases(tmp_path, refused).values()
    error = case.find("error")
    assert error is not None
    assert error.attrib["message"] == "no such file: x.py"
    assert "no such file: x.py" in markdown([refused])
