"""Which published rule a declaration means, with the hyperparameters beside it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import gdprops
from gdprops.errors import UsageError
from gdprops.model.verdict import Status
from gdprops.subjects.declared_rule import check_rule


@pytest.mark.parametrize(
    ("rule", "given", "meant"),
    [
        ("sgd", {}, "sgd"),
        ("sgd", {"momentum": 0.0, "nesterov": False, "lr": 0.1}, "sgd"),
        ("sgd", {"momentum": 0.9}, "momentum"),
        ("sgd", {"momentum": 0.9, "nesterov": True}, "nesterov"),
        ("adam", {"amsgrad": True}, "amsgrad"),
        ("adamw", {"amsgrad": True}, "amsgrad:decoupled"),
        ("adam:decoupled", {"amsgrad": True}, "adam:decoupled"),
        ("adagrad", {"momentum": 0.9}, "adagrad"),
    ],
)
def test_a_hyperparameter_that_is_set_may_make_another_rule(rule: str, given: Any, meant: str) -> None:
    assert check_rule(rule, given) == meant


def test_a_rule_that_nobody_has_published_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'momentum'"):
        check_rule("momentun", {"momentum": 0.9})


class Forgetful(torch.optim.SGD):
    """SGD that forgets its momentum."""

    def step(self, closure: Any = None) -> Any:
        self.state.clear()
        return super().step(closure)


@pytest.mark.parametrize(("factory", "status"), [(torch.optim.SGD, Status.HELD), (Forgetful, Status.VIOLATED)])
def test_it_is_judged_by_the_rule_that_is_meant(factory: Any, status: Status) -> None:
    subject = gdprops.optimizer(factory, rule="sgd", lr=0.1, momentum=0.9)
    found = gdprops.check(subject, clauses="published.*", examples=5, seed=0).verdicts
    (verdict,) = (one for one in found if one.status is not Status.NOT_APPLICABLE)
    assert (verdict.clause, verdict.status) == ("published.momentum", status)
