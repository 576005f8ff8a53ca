"""The public names: all there, loaded on first use, and nothing else promised."""

from __future__ import annotations

import pytest

import gdprops


def test_every_public_name_has_a_home() -> None:
    assert set(gdprops._HOMES) == set(gdprops.__all__) - {"__version__"}
    assert set(gdprops.__all__) <= set(dir(gdprops))


@pytest.mark.parametrize("name", sorted(gdprops._HOMES))
def test_every_public_name_loads_and_is_documented(name: str) -> None:
    found = getattr(gdprops, name)
    assert found.__module__ == gdprops._HOMES[name]
    assert found.__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'gdprops' has no attribute 'chekc'"):
        gdprops.chekc  # noqa: B018 - looking it up is the test
