"""The package's own tests: some without gdprops, some with it, in a function and in a class with fixtures."""

import pytest
import torch
from smallopt.optim import Descent

import gdprops

CLAUSES = ["step.plain", "step.frozen-untouched"]


def test_one_step():
    w = torch.nn.Parameter(torch.ones(2))
    w.grad = torch.ones(2)
    Descent([w], lr=0.5).step()
    assert w.tolist() == [0.5, 0.5]


@gdprops.parametrize(["descent", gdprops.optimizer(Descent, lr=0.5, rule="sgd", name="half")], CLAUSES)
def test_specification(subject, clause):
    assert clause.check(subject).decisive > 0


class TestInAClass:
    @pytest.fixture
    def rate(self):
        return 0.125

    @gdprops.parametrize(["training"], ["step.once"])
    def test_training(self, subject, clause, rate, tmp_path):
        assert clause.check(subject).clause == "step.once"
        assert rate == 0.125
        assert not list(tmp_path.iterdir())
