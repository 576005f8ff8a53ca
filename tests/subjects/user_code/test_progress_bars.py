"""A progress bar that is not installed shows nothing, and lets its loop go on."""

from __future__ import annotations

from pathlib import Path

from gdprops.subjects.user_code.definitions import definitions_of

CODE = """
from tqdm_that_is_missing import tqdm, trange
from bars_that_are_missing import alive_bar
def plain():
    return list(tqdm([1, 2], desc="x"))
def counted():
    with tqdm(total=2, leave=False) as bar:
        for _ in trange(2):
            bar.update(1)
            bar.set_postfix(loss=1)
    return list(trange(1, 3))
def named():
    with tqdm(iterable=[5, 6]) as bar:
        return len(bar), [x for x in bar]
def alive():
    with alive_bar(3, title="x") as bar:
        bar()
    return bool(bar)
"""


def test_what_goes_through_a_bar_goes_on_without_it(tmp_path: Path) -> None:
    (tmp_path / "bars.py").write_text(CODE)
    own = definitions_of(tmp_path / "bars.py").own
    assert own["plain"]() == [1, 2]
    assert own["counted"]() == [1, 2]
    assert own["named"]() == (2, [5, 6])
    assert own["alive"]()
