"""A network that misses a call is refused with the method that was not called."""

from __future__ import annotations

from gdprops.subjects.backprop.as_written.missing_setup import setup_told


class Net:
    def add(self, units: int) -> None:
        self.units = units

    def use(self, rule: object, rate: float = 0.1) -> None:
        self.rule, self.rate = rule, rate

    def fit(self) -> object:
        return self.rule


def test_the_method_that_sets_what_is_missing_is_told() -> None:
    told = "it raised AttributeError: 'Net' object has no attribute 'rule', line 7"
    assert setup_told(Net, told) == "; use(rule, rate) sets self.rule and was not called: call it in build()"


def test_nothing_is_told_where_nothing_sets_it() -> None:
    assert setup_told(Net, "it raised AttributeError: 'Net' object has no attribute 'other', line 7") == ""
    assert setup_told(Net, "it raised NameError: name 'np' is not defined") == ""
