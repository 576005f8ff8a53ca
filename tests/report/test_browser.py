"""The page in a real browser: it renders, sorts, opens, fits 400 px and dark mode, by keyboard, without errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="the extra `report` is not installed")
pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

from gdprops.report.html_file import write_html
from tests.report import browser
from tests.report.browser import ENTER, TAB, Browser
from tests.report.test_html import EVERYTHING

pytestmark = [
    pytest.mark.skipif(not browser.INSTALLED, reason="needs Debian's chromium and chromium-driver"),
    pytest.mark.xdist_group("browser"),
]

STATUSES = "return [...document.querySelectorAll('.clauses tbody .status')].map((e) => e.textContent)"
CONTRAST = """
const channel = (c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const light = (text) => { const [r, g, b] = text.match(/[\\d.]+/g).map(Number);
  return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
  if (!/, 0\\)$/.test(c) && c !== "transparent") return c; } return "rgb(255, 255, 255)"; };
return Math.min(...[...document.querySelectorAll("p, td, th, dt, dd, summary, a, code, .status, .mark, button")]
  .filter((e) => e.textContent.trim() && e.getClientRects().length)
  .map((e) => { const a = light(getComputedStyle(e).color), b = light(behind(e));
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05); }));
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser.browser(str(tmp_path_factory.mktemp("profile"))) as found:
        yield found


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    file: Path = tmp_path_factory.mktemp("page") / "r.html"
    write_html(str(file), [EVERYTHING])
    write_html(str(file.with_name("several.html")), [EVERYTHING, EVERYTHING])
    return file.as_uri()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(
    ("width", "name", "answer"),
    [
        (400, "r.html", "FAILED  mypkg:MySGD(lr=0.5): 2 required clauses fail"),
        (400, "several.html", "2 subjects: 2 failed."),
        (1200, "several.html", "2 subjects: 2 failed."),
    ],
)
def test_it_renders_and_fits_in_both_modes(
    window: Browser, address: str, width: int, name: str, answer: str, dark: bool
) -> None:
    window.open(address.replace("r.html", name), width=width, dark=dark)
    window.run("for (const folded of document.querySelectorAll('details')) folded.open = true")
    assert window.run("return document.querySelector('h1').textContent") == answer
    assert window.run("return document.documentElement.scrollWidth") <= width
    ink, paper = window.run(
        "const s = getComputedStyle(document.body); return [s.color, s.backgroundColor].map((c) =>"
        " c.match(/\\d+/g).map(Number).reduce((a, b) => a + b))"
    )
    assert (ink > paper) is dark
    assert window.run(CONTRAST) >= 4.5
    assert window.complaints() == []


def test_tables_sort_by_mouse_and_say_so(window: Browser, address: str) -> None:
    window.open(address, width=1200)
    window.run("document.querySelectorAll('table.sortable')[0].querySelectorAll('th button')[1].click()")
    assert window.run("return document.querySelectorAll('th[aria-sort=ascending]').length") == 1
    by_status = ["violated", "violated", "not decided", "does not apply", "held"]
    assert window.run(STATUSES) == by_status
    assert window.run("return document.getElementById('announce').textContent") == "sorted by status, ascending"
    window.run("document.querySelectorAll('table.sortable')[0].querySelectorAll('th button')[1].click()")
    assert window.run(STATUSES) == ["held", "does not apply", "not decided", "violated", "violated"]


def test_a_tile_and_a_word_filter_the_clauses(window: Browser, address: str) -> None:
    window.open(address, width=1200)
    shown = (
        "return [...document.querySelectorAll('.clauses tr[data-ending]')].filter((e) => !e.hidden).map((e) => e.id)"
    )
    window.run("document.querySelector('.tile.violated').click()")
    assert window.run(shown) == ["run1-step.simultaneous", "run1-step.plain"]
    typed = "const typed = document.querySelector('.filter input'); typed.value = 'STEP.PLAIN';"
    window.run(f"{typed} typed.dispatchEvent(new Event('input'))")
    assert window.run(shown) == ["run1-step.plain"]
    assert window.run("return document.querySelector('.shown').textContent") == "1 of 5 shown"
    window.run("location.hash = '#run1-step.once'; dispatchEvent(new Event('hashchange'))")
    assert window.run("return document.getElementById('run1-step.once').hidden") is False
    assert window.complaints() == []


def test_a_link_into_a_folded_report_opens_it(window: Browser, address: str) -> None:
    window.open(address.replace("r.html", "several.html") + "#run2-step.plain", width=1200)
    assert window.run("return [...document.querySelectorAll('details.run')].map((e) => e.open)") == [False, True]


def test_the_keyboard_alone_is_enough(window: Browser, address: str) -> None:
    window.open(address, width=1200)
    window.press(TAB)
    assert window.run("return document.activeElement.textContent") == "Skip to the results"
    closed = "document.querySelector('.fault details')"
    assert window.run(f"return {closed}.open") is False
    window.run(f"{closed}.querySelector('summary').focus()")
    window.press(ENTER)
    assert window.run(f"return {closed}.open") is True
    reached = set()
    for _ in range(60):
        window.press(TAB)
        reached.add(window.run("return document.activeElement.tagName"))
    assert {"SUMMARY", "BUTTON", "PRE"} <= reached
    window.run("document.querySelector('th button').focus()")
    window.press(ENTER)
    assert window.run("return document.querySelector('th button').closest('th').ariaSort") == "ascending"
    outline = window.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    assert window.complaints() == []
