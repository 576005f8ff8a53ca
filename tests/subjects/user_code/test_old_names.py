"""Names that are gone from Python and NumPy are read as what they were, and that is told."""

from __future__ import annotations

import ast

import pytest

from gdprops.subjects.user_code.old_names import with_new_names


@pytest.mark.parametrize(
    ("code", "read", "told"),
    [
        ("a = np.float(x)", "a = float(x)", "np.float is gone from NumPy: it was read as float (line 1)"),
        ("a = numpy.product(x)", "a = numpy.prod(x)", "numpy.product is gone from NumPy: it was read as numpy.prod"),
        ("for i in xrange(3): pass", "for i in range(3):", "xrange is gone from Python 3: it was read as range"),
    ],
)
def test_an_old_name_is_read_as_the_new_one(code: str, read: str, told: str) -> None:
    tree = ast.parse(code)
    (said,) = with_new_names(tree)
    assert ast.unparse(tree).startswith(read)
    assert said.startswith(told)


@pytest.mark.parametrize("code", ["from six.moves import range as xrange\nxrange(3)", "np.float64(3)", "self.int = 3"])
def test_what_is_not_gone_stays(code: str) -> None:
    tree = ast.parse(code)
    assert with_new_names(tree) == () or "six" in code
    assert "np.float64" in ast.unparse(tree) or "float" not in code


def test_a_name_that_the_file_binds_itself_is_its_own() -> None:
    tree = ast.parse("xrange = list\nxrange(3)")
    assert with_new_names(tree) == ()
