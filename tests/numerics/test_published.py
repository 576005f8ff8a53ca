"""The published rules: small, told apart, computed in the tensor's own dtype, and right by hand."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim._muon import _zeropower_via_newtonschulz

from gdprops.model.traits import RULES
from gdprops.numerics.published import (
    adafactor,
    adagrad,
    adam,
    gradient_descent,
    lars_lamb,
    muon,
    nadam_radam,
    rmsprop,
    rprop_lion,
    weight_decay,
)
from gdprops.numerics.published.dialect_feed import (
    Story,
    differ_in_principle,
    forms_of,
    reproduces,
    rich_gradients,
    rich_tensors,
)
from gdprops.numerics.published.rule import fresh, hyperparameters_of
from gdprops.numerics.published.rule_hyperparameters import bind
from gdprops.numerics.published.rule_run import Bounded, Player
from gdprops.numerics.published.shaken_arrays import bfloat16, kept_in_single, moved, shaken
from gdprops.numerics.published.table import PUBLISHED, declared_rule

MODULES = (adafactor, adagrad, adam, weight_decay, gradient_descent, lars_lamb, muon, rmsprop, nadam_radam, rprop_lion)
MOST_LINES = 25


def settings_of(name: str) -> dict[str, Any]:
    """Return a rule's hyperparameters with everything on that tells its forms apart."""
    rule = PUBLISHED[name]
    defaults = {k: v for k, v in hyperparameters_of(rule.step).items() if k != "lr"}
    apart = {"betas": (0.5, 0.75)} if name == "lion" else {}  # at 0.9 and 0.99 its mistakes show too rarely
    return {**defaults, **rule.options, **apart, "lr": 0.125}


def test_a_rule_reads_like_the_paper() -> None:
    functions = [f for m in MODULES for _, f in inspect.getmembers(m, inspect.isfunction) if f.__module__ == m.__name__]
    assert len(functions) > 60
    for function in functions:
        assert len(inspect.getsource(function).splitlines()) <= MOST_LINES, function.__name__
        assert function.__doc__, function.__name__


def test_every_rule_that_can_be_declared_is_written_down() -> None:
    assert list(PUBLISHED) == list(RULES)
    assert all(rule.name == name for name, rule in PUBLISHED.items())


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_forms_of_a_rule_are_told_apart(name: str) -> None:
    rule, settings = PUBLISHED[name], settings_of(name)
    same = [d.key for d in rule.dialects if not differ_in_principle(rule, "", d, settings)]
    assert same == {"adafactor": ["epsilon-added"]}.get(name, [])  # its epsilon is a pair, too small to show
    keys = [d.key for d in forms_of(rule)]
    assert len(keys) == len(set(keys))
    assert rule.form("") is rule.step
    assert all(rule.form(key) is not rule.step for key in rule.published())


def test_forms_that_are_one_rule_are_no_rivals() -> None:
    momentum, still = PUBLISHED["momentum"], {**settings_of("momentum"), "momentum": 0.0, "weight_decay": 0.0}
    rate_inside = next(d for d in momentum.dialects if d.key == "rate-inside")
    assert differ_in_principle(momentum, "", rate_inside, settings_of("momentum"))
    assert not differ_in_principle(momentum, "", rate_inside, {**still, "dampening": 0.0})


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_rule_computes_in_the_tensors_dtype(name: str, dtype: type) -> None:
    matrices, settings = name == "muon", settings_of(name)
    for form in forms_of(PUBLISHED[name]):
        player, weights = Player(form.step, 3), rich_tensors(matrices=matrices, dtype=dtype)
        for gradients in rich_gradients(0.25, matrices=matrices, dtype=dtype):
            weights = player.step(weights, gradients, [settings] * 3)
            assert all(w.dtype == dtype and np.isfinite(w).all() for w in weights), form.key


def test_one_step_of_adam_by_hand() -> None:
    w, g = np.array([1.0]), np.array([2.0])
    given: dict[str, Any] = {"lr": 0.5, "betas": (0.5, 0.75), "eps": 0.25, "weight_decay": 0.0}
    assert adam.adam(w, g, fresh(), **given) == 1 - 0.5 * 2 / (2 + 0.25)  # m^ = 2, v^ = 4
    assert adam.adam_epsilon_hat(w, g, fresh(), **given) == 1 - 0.5 * 0.5 / 0.5 * 1 / (1 + 0.25)  # m = 1, v = 1
    assert adam.adam_epsilon_inside(w, g, fresh(), **given) == 1 - 0.5 * 2 / np.sqrt(4.25)
    assert adam.adam_uncorrected(w, g, fresh(), **given) == 1 - 0.5 * 1 / 1.25
    state = fresh()
    assert adam.adam_epsilon_kept(w, g, state, **given) == 1 - 0.5 * 2 / np.sqrt(state["v"] / (1 - given["betas"][1]))
    assert adam.adam_epsilon_twice(w, g, fresh(), **given) == 1 - 0.5 * 2 / (
        np.sqrt(state["v"] / (1 - given["betas"][1])) + given["eps"]
    )


def test_two_steps_of_momentum_by_hand() -> None:
    state, given = fresh(), {"momentum": 0.5, "dampening": 0.25, "weight_decay": 0.0}
    w = gradient_descent.momentum(np.array([1.0]), np.array([1.0]), state, lr=0.5, **given)
    assert w == 0.5  # v = 1
    assert gradient_descent.momentum(w, np.array([2.0]), state, lr=0.25, **given) == 0.5 - 0.25 * (0.5 + 0.75 * 2)


def test_signs_by_hand() -> None:
    state, w = fresh(), np.array([1.0, 1.0, 1.0])
    first = rprop_lion.rprop(w, np.array([1.0, 1.0, 0.0]), state, lr=0.5)
    assert first.tolist() == [0.5, 0.5, 1.0]
    second = rprop_lion.rprop(first, np.array([1.0, -1.0, 1.0]), state, lr=0.5)
    assert second.tolist() == [0.5 - 0.6, 0.5, 0.5]  # grown, turned and waiting, begun


def test_newton_and_schulz_are_those_of_torch_to_the_last_bit() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        matrix = generator.standard_normal(generator.integers(1, 5, 2))
        theirs = _zeropower_via_newtonschulz(torch.tensor(matrix), muon.QUINTIC, 5, 1e-7).double().numpy()
        assert (muon.orthogonal(matrix, muon.QUINTIC, 5, 1e-7) == theirs).all()


def test_bfloat16_rounds_like_torch() -> None:
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    assert (bfloat16(values) == torch.tensor(values).bfloat16().float().numpy()).all()


def test_shaking_moves_every_operation_by_an_ulp_and_nothing_else() -> None:
    x = shaken(np.array([1.0, 2.0], dtype=np.float32))
    off = np.abs(np.asarray(x + x) - np.array([2.0, 4.0]))
    assert (off > 0).all()
    assert (off <= np.finfo(np.float32).eps * np.array([2.0, 4.0])).all()
    assert np.asarray(x).tolist() == [1.0, 2.0]
    assert (x > 1.5).tolist() == [False, True]
    assert moved(3) == 3
    assert kept_in_single(0.5, np.ones(1)) == 0.5
    assert abs(kept_in_single(0.5, x) - 0.5) == 0.5 * np.finfo(np.float32).eps


def test_what_no_shaking_moves_may_still_be_rounded_otherwise() -> None:
    """Where the signs of two operations are opposite in all eight, a thousand entries show it."""
    w, g = np.full(1000, 1.25, np.float32), np.full(1000, -(2.0**-7), np.float32)
    settings = [{"lr": 2.0**-13, "weight_decay": 0.01}]
    expected, allowed = Bounded(PUBLISHED["adamw"].form(""), 1).step([w], [g], settings)
    assert (allowed[0] >= 4 * np.spacing(expected[0])).all()
    _, still = Bounded(PUBLISHED["adamw"].form(""), 1).step([w], [None], settings)
    assert not still[0].any()


def test_an_undecided_sign_allows_either_way() -> None:
    """The argument of Lion's sign, 0.3 m + 0.7 g, is 0 but for rounding."""
    player, settings = Bounded(rprop_lion.lion, 1), [{"lr": 1.0, "betas": (0.3, 0.3), "weight_decay": 0.0}]
    weights, _ = player.step([np.zeros(1)], [np.array([1.0])], settings)
    _, allowed = player.step(weights, [np.array([-0.3])], settings)
    assert allowed[0] >= 1.0


def test_settings_are_found_under_other_names_and_what_is_unknown_is_said() -> None:
    shown = {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.9, "warmup": 10, "foreach": True, "amsgrad": False}
    found = bind(PUBLISHED["adam"], shown)
    assert found.settings == {"betas": (0.8, 0.9), "eps": 1e-8, "weight_decay": 0.0}
    assert found.said("adam") == "adam knows no warmup=10; eps=1e-08 is assumed"
    assert bind(PUBLISHED["sgd"], {"lr": 1.0, "weight_decay": 0.5}).said("sgd") == ""
    assert bind(PUBLISHED["sgd"], {"lr": 1.0, "maximize": True}).settings["maximize"] is True


def test_maximize_climbs() -> None:
    (w,) = Player(gradient_descent.sgd, 1).step([np.ones(1)], [np.ones(1)], [{"lr": 0.5, "maximize": True}])
    assert w == 1.5


def test_a_missing_gradient_leaves_its_tensor_and_its_state_alone() -> None:
    player, given = Player(adam.adam, 1), [{**settings_of("adam")}]
    (still,) = player.step([np.ones(2)], [None], given)
    assert still.tolist() == [1.0, 1.0]
    assert player._states[0]["t"] == 0


def test_a_story_is_reproduced_by_its_own_form_alone() -> None:
    rule, settings = PUBLISHED["adam"], [settings_of("adam")] * 3
    player, seen = Player(rule.form("epsilon-hat"), 3), [rich_tensors()]
    gradients = rich_gradients(0.25)
    for step in gradients:
        seen.append(player.step(seen[-1], step, settings))
    story = Story(seen, gradients, [settings] * len(gradients))
    assert [d.key for d in forms_of(rule) if reproduces(d, story)] == ["epsilon-hat"]


def test_a_declaration_names_a_rule_and_a_dialect() -> None:
    assert declared_rule("adam:epsilon-hat") == (PUBLISHED["adam"], "epsilon-hat")
    assert declared_rule("adam") == (PUBLISHED["adam"], "")
    decoupled = ("decoupled", "epsilon-hat+decoupled", "epsilon-inside+decoupled")
    assert PUBLISHED["adam"].published() == ("epsilon-hat", "epsilon-inside", *decoupled)


def test_a_dialect_within_the_rounding_of_its_rule_is_a_rival_only_the_other_way_round() -> None:
    muon_rule = PUBLISHED["muon"]
    assert "full-precision" not in [d.key for d in muon_rule.rivals("")]
    assert "" in [d.key for d in muon_rule.rivals("full-precision")]
    gradient, settings = np.array([[2.0, 1.0], [0.5, 3.0]]), settings_of("muon")
    in_bfloat16, in_double = (form(np.eye(2), gradient, fresh(), **settings) for form in (muon.muon, muon_form()))
    assert 1e-5 < np.abs(in_bfloat16 - in_double).max() < 1e-2


def muon_form() -> Any:
    return PUBLISHED["muon"].form("full-precision")


@pytest.mark.parametrize(
    ("shown", "scales"),
    [
        ({"eps": 2.0**-20}, (1.0, 2.0**-20, 2.0**-10)),
        ({"eps": (None, 2.0**-10)}, (1.0, 2.0**-10, 2.0**-5)),
        ({}, (1.0,)),
    ],
)
def test_gradients_have_sizes_at_which_epsilon_shows(shown: dict[str, Any], scales: tuple[float, ...]) -> None:
    assert PUBLISHED["adam"].scales(shown) == scales
