"""The page: self-contained, complete, and safe whatever the names and messages are."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the extra `report` is not installed")
pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

from gdprops.model.clause import Level
from gdprops.model.evidence import Compared
from gdprops.report.html_file import page, write_html
from gdprops.report.landscape_data import BACKWARD, FORWARD, RATES, TwoWeights
from gdprops.report.pictures import _cut, displacements, lessons, pictures_of, worst_ratios, write_figures
from gdprops.report.report import Report
from tests.report import verdicts

TENSORS = (
    Compared("layer1.weight", (1, 2), True, 0.5, 0.25, (1.0, 2.0), (1.5, 2.0), (1.25, 2.0)),
    Compared("layer2.weight", (9, 9), False, 0.125, 0.125),
)
VIOLATED = verdicts.violated(compared=TENSORS)
EVERYTHING = verdicts.outcome(
    verdicts.held(worst_ratio=0.25),
    VIOLATED,
    verdicts.violated(clause="step.plain", reason="Traceback:\n  <script>alert(1)</script>", explanation=None),
    verdicts.vacuous(),
    verdicts.not_applicable(clause="step.once"),
    verdicts.reference(),
)
VOID = {"meta", "link", "br", "path", "use", "rect", "image", "stop", "wbr", "input"}


class Structure(HTMLParser):
    """Notes the tags of a page, and whether each is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag


def text_of(*outcomes: verdicts.Outcome) -> str:
    return page(outcomes or [EVERYTHING])


def test_the_page_is_well_formed_and_needs_no_network() -> None:
    found = Structure(text_of())
    assert set(found.links) <= {link for link in found.links if link.startswith("#") or link == "data:,"}
    assert "default-src 'none'" in text_of()
    assert "@import" not in text_of()
    assert {"h1", "nav", "main", "table", "details", "svg", "figcaption"} <= set(found.tags)


def test_the_page_says_what_is_wrong_and_shows_it() -> None:
    text = text_of()
    for part in (
        '<h1 class="bad">FAILED  mypkg:MySGD(lr=0.5): 2 required clauses fail</h1>',
        "<strong>1</strong> held</button>",
        "<strong>2</strong> violated</button>",
        "<strong>1</strong> not decided</button>",
        "<dt>instead</dt><dd>A layer-by-layer update, last layer first, reproduces the weights seen.</dd>",
        "<dt>where</dt><dd>layer1.weight, index (0, 1), step 1</dd>",
        '<th scope="row">layer1.weight[0, 0]</th><td>1</td><td>1.25</td><td>1.5 <span class="mark">wrong</span></td>',
        '<th scope="row">layer1.weight[0, 1]</th><td>2</td><td>2</td><td>2</td>',
        "gdprops replay .gdprops/case.json mypkg:MySGD",
        "import gdprops\n\nw = [[0.5, -1.0]]",
        "not decided: the loss was not finite in 97 examples",
        "reference: 1 of 1 held",
        "No seed was given.",
    ):
        assert part in text
    assert text.count('<article class="fault violated"') == 2


def test_the_answer_comes_first_and_every_clause_has_an_anchor() -> None:
    text = text_of()
    order = ["<h1", 'class="tiles"', 'id="run1-fault1"', 'id="clauses1"', 'id="run1-step.once"', 'id="about"']
    assert [text.index(part) for part in order] == sorted(text.index(part) for part in order)
    assert '<a class="anchor" href="#run1-step.once">' in text
    assert '<th scope="rowgroup" colspan="4" id="run1-step">step <span class="meta">1 held · 2 violated' in text


def test_a_violated_recommendation_is_marked_and_not_red() -> None:
    text = text_of(verdicts.outcome(verdicts.held(), verdicts.violated(clause="step.cost", level=Level.RECOMMENDED)))
    assert '<h1 class="good">PASSED' in text
    assert '<article class="fault violated-recommended"' in text
    assert '<span class="status violated-recommended">violated (recommended)</span>' in text
    assert 'class="status violated"' not in text.partition('id="words"')[0]


def test_every_clause_has_its_statement_source_and_decision() -> None:
    from gdprops.clauses import catalogue

    text = text_of(verdicts.outcome(verdicts.held(clause="step.plain", statement="S.")))
    clause = catalogue()["step.plain"]
    plain = re.sub(r"&#?\w+;", "?", text)
    for sentence in (clause.source, clause.decision):
        assert re.sub(r"['\"<>&]", "?", sentence) in plain
    assert '<p class="statement">S.</p>' in text


def test_names_and_messages_are_text_and_never_markup() -> None:
    text = text_of(
        verdicts.outcome(
            verdicts.violated(reason="a\n<script>alert(2)</script>"), subject="<img src=x onerror=alert(3)>"
        )
    )
    assert "<script>alert(2)" not in text
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(3)&gt;" in text
    Structure(text)


def test_several_subjects_have_a_matrix() -> None:
    text = text_of(
        verdicts.outcome(verdicts.held(), subject="a:B"),
        verdicts.outcome(VIOLATED, verdicts.held(clause="step.plain"), subject="c:D"),
    )
    assert '<h1 class="bad">2 subjects: 1 passed, 1 failed.</h1>' in text
    rows = re.search(r'<table class="subjects".*?</table>', text, re.DOTALL)
    assert rows is not None
    assert '<a href="#run2">c:D</a></th><td><span class="status bad">failed</span></td>' in rows[0]
    assert "<td>step.simultaneous: A layer-by-layer update, last layer first, reproduces the weights" in rows[0]
    assert '<details class="run" id="run2">' in text
    row = re.search(r"<tr><th scope=\"row\"><code>step\.<wbr>simultaneous</code>.*?</tr>", text)
    assert row is not None
    assert re.findall(r"status ([a-z-]+)\"", row[0]) == ["held", "violated"]
    assert "<td>–</td>" in text
    assert 'class="matrix"' not in text_of()


def test_an_incomplete_run_says_so() -> None:
    assert "Not every clause was run." in text_of(verdicts.outcome(verdicts.held(), complete=False))
    assert "Not every clause was run." not in text_of()


def test_the_same_verdicts_make_the_same_page() -> None:
    assert text_of() == text_of()


def test_a_file_and_a_folder_are_written(tmp_path: Path) -> None:
    write_html(str(tmp_path / "r.html"), [EVERYTHING])
    assert (tmp_path / "r.html").read_text(encoding="utf-8") == text_of()
    write_figures(str(tmp_path), [EVERYTHING])
    assert sorted(file.name for file in tmp_path.glob("*.svg")) == [
        "cost-surface.svg",
        "displacement-mypkg-MySGD-lr-0.5-step.simultaneous.svg",
        "divergence.svg",
        "ratios-mypkg-MySGD-lr-0.5.svg",
    ]
    assert "currentColor" not in (tmp_path / "divergence.svg").read_text(encoding="utf-8")


def test_the_pictures_leave_no_trace_in_matplotlib() -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    lessons()
    assert dict(mpl.rcParams) == before


def test_pictures_are_drawn_of_what_there_is() -> None:
    assert [picture.name for picture in pictures_of(verdicts.outcome(verdicts.held()))] == []
    assert worst_ratios(verdicts.outcome(verdicts.held(worst_ratio=None))) is None
    assert (
        worst_ratios(verdicts.outcome(verdicts.held(worst_ratio=float("nan")), verdicts.held(worst_ratio=float("inf"))))
        is not None
    )
    assert displacements(verdicts.violated()) is None
    assert displacements(verdicts.violated(compared=(Compared("w", (), True, float("nan"), 1.0),))) is None


def test_a_bar_that_is_cut_off_ends_in_an_arrow_and_its_number() -> None:
    assert (_cut(1e12), _cut(float("inf")), _cut(1e-9)) == ("→ 1e+12", "→ inf", "← 1e-09")
    assert (_cut(1.0), _cut(0.0)) == ("", "← 0")


def test_of_many_parameters_the_wrong_ones_are_drawn() -> None:
    many = [Compared(f"w{k}", (), k == 30, 0.5, 0.25) for k in range(40)]
    shown = displacements(verdicts.violated(compared=tuple(many)))
    assert shown is not None
    assert shown.caption.endswith("Of 40 parameters 12 are drawn, wrong ones first.")
    few = displacements(verdicts.violated(compared=tuple(many[:3])))
    assert few is not None
    assert few.caption.endswith("the weights are below.")


def test_the_two_weights_show_what_the_law_says() -> None:
    """The picture is computed, not drawn: slope 2, the first block agrees, the second does not."""
    small = TwoWeights()
    step = small.stepped()
    for order, first in ((FORWARD, 0), (BACKWARD, 1)):
        end = small.swept(order)[-1]
        assert end[first] == step[first]
        assert abs(end[1 - first] - step[1 - first]) > 0.01
        apart, law = small.apart(order), small.law(order)
        assert abs(apart[-1] / law[-1] - 1) < 0.01
        assert 3.9 < apart[-2] / apart[-1] < 4.1
    assert len(RATES) == len(small.law(FORWARD))


def test_a_notebook_shows_the_same_page_in_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Report(EVERYTHING)._repr_html_()
    assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert shown.count("<") == 2
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert Report(EVERYTHING)._repr_html_().startswith("<pre>FAILED  mypkg:MySGD(lr=0.5): ")
