"""What stands for a package that is not installed: progress bars are done without, all else says what is missing."""

from __future__ import annotations

import pytest

from gdprops.subjects.user_code.absent import Absent


def test_a_progress_bar_hands_on_what_it_goes_through() -> None:
    assert list(Absent("tqdm.tqdm", "no module")([1, 2])) == [1, 2]
    assert list(Absent("trange", "no module")(3)) == [0, 1, 2]


def test_anything_else_says_what_is_missing() -> None:
    with pytest.raises(ImportError, match=r"scipy.special.erf is used, and could not be imported \(no module\)"):
        Absent("scipy.special.erf", "no module")(2.0)
