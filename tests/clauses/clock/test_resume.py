"""A training that is saved and loaded goes on bit for bit, or what is lost is said."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gdprops.model.level import Level
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

RATE = 0.25


def batches(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2))


def verdicts(build: Callable[..., Any], **declared: Any) -> dict[str, Verdict]:
    own: dict[str, Any] = {"models": net, "batches": batches, "loss": nn.MSELoss()}
    subject = training_step(build, name="mine", **{**own, **declared})
    clauses = ("clock.resume", "clock.resume-states")
    outcome = check_subject(subject, clauses=clauses, settings=Settings(seed=0, examples=2))
    return {v.clause: v for v in outcome.verdicts if v.about is About.SUBJECT}


def parts(model: nn.Module, loss_fn: Any, **more: Any) -> SimpleNamespace:
    """Return a loop with Adam; ``rate(n)`` changes the rate before the n-th update."""
    optimizer, rate = torch.optim.Adam(model.parameters(), lr=RATE), more.get("rate")
    loop = SimpleNamespace(optimizer=optimizer, taken=0)

    def step(x: Tensor, y: Tensor) -> None:
        if rate is not None:
            optimizer.param_groups[0]["lr"] = rate(loop.taken)
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()
        loop.taken += 1

    loop.step = step
    return loop


def test_state_dicts_of_model_and_optimizer_are_enough_for_a_loop_with_dropout() -> None:
    found = verdicts(parts)
    assert found["clock.resume-states"].status is Status.HELD
    assert found["clock.resume-states"].level is Level.RECOMMENDED
    assert found["clock.resume"].reason == "build returns no save and load"


def test_a_step_and_an_optimizer_alone_are_not_asked() -> None:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        loop = parts(model, loss_fn)
        return loop.step, loop.optimizer

    assert {v.status for v in verdicts(build).values()} == {Status.NOT_APPLICABLE}


def test_a_count_of_the_loops_own_is_not_in_its_state_dicts() -> None:
    found = verdicts(lambda model, loss_fn: parts(model, loss_fn, rate=lambda n: RATE / (1 + n)))
    assert found["clock.resume-states"].status is Status.VIOLATED
    assert found["clock.resume-states"].reason == (
        "saved after update 2 and loaded: at update 3 the rate is 0.25, without an interruption 0.0833333: not saved: "
        "what is kept outside the state_dicts"
    )


def saving(*keys: str, file: bool = False) -> Callable[..., Any]:
    """Return a build that saves and loads these of model, optimizer and count, through a file or not."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        loop = parts(model, loss_fn, rate=lambda n: RATE / (1 + n))

        def state() -> dict[str, Any]:
            whole = {"model": model.state_dict(), "optimizer": loop.optimizer.state_dict(), "taken": loop.taken}
            return {key: whole[key] for key in keys}

        def load(saved: dict[str, Any]) -> None:
            if "model" in saved:
                model.load_state_dict(saved["model"])
            if "optimizer" in saved:
                loop.optimizer.load_state_dict(saved["optimizer"])
            loop.taken = saved.get("taken", 0)

        loop.save = (lambda path: torch.save(state(), path)) if file else state
        loop.load = (lambda path: load(torch.load(path, weights_only=False))) if file else load
        return loop

    return build


@pytest.mark.parametrize("file", [False, True])
def test_what_save_and_load_keep_goes_on(file: bool) -> None:
    found = verdicts(saving("model", "optimizer", "taken", file=file))
    assert found["clock.resume"].status is Status.HELD
    assert found["clock.resume-states"].reason == "build returns save and load: clock.resume is about them"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (("model", "taken"), "at update 3 0.weight, 0.bias, 2.weight, 2.bias are not as without an interruption"),
        (("model", "optimizer"), "at update 3 the rate is 0.25, without an interruption 0.0833333"),
        (("optimizer", "taken"), "right after loading 0.weight, 0.bias, 2.weight, 2.bias are not as without"),
    ],
)
def test_what_save_and_load_do_not_keep_is_named(keys: tuple[str, ...], said: str) -> None:
    found = verdicts(saving(*keys))["clock.resume"]
    assert found.status is Status.VIOLATED
    assert said in str(found.reason)
    assert str(found.reason).endswith("what save and load do not keep")


def test_a_scheduler_that_is_not_saved_begins_anew() -> None:
    """PolymathicAI/the_well#77, jfzhang95/pytorch-video-recognition#51."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        loop = parts(model, loss_fn)
        scheduler = torch.optim.lr_scheduler.LambdaLR(loop.optimizer, lambda t: 1 / (1 + t))
        plain = loop.step

        def step(x: Tensor, y: Tensor) -> None:
            plain(x, y)
            scheduler.step()

        def load(saved: dict[str, Any]) -> None:
            model.load_state_dict(saved["model"])
            loop.optimizer.load_state_dict(saved["optimizer"])

        loop.step, loop.load = step, load
        loop.save = lambda: {"model": model.state_dict(), "optimizer": loop.optimizer.state_dict()}
        return loop

    said = str(verdicts(build)["clock.resume"].reason)
    assert "at update 4 the rate is 0.125, without an interruption 0.0625" in said


def test_an_optimizer_that_is_made_anew_after_loading() -> None:
    """CodefyUI/CodefyUI#118: what was loaded is lost when the loop makes its own optimizer."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        loop = parts(model, loss_fn)
        loop.save = lambda: {"model": model.state_dict(), "optimizer": loop.optimizer.state_dict()}
        loop.load = lambda saved: model.load_state_dict(saved["model"])
        return loop

    said = str(verdicts(build)["clock.resume"].reason)
    assert "are not as without an interruption: what save and load do not keep" in said


def test_a_load_that_raises_is_violated() -> None:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        loop = parts(model, loss_fn)
        loop.save, loop.load = model.state_dict, loop.optimizer.load_state_dict
        return loop

    found = verdicts(build)["clock.resume"]
    assert found.status is Status.VIOLATED
    assert "load(saved) raised" in str(found.reason)


def test_a_step_that_is_not_deterministic_is_not_decided() -> None:
    calls = [0]

    def build(model: nn.Module, loss_fn: Any) -> Any:
        loop = parts(model, loss_fn)
        plain = loop.step

        def step(x: Tensor, y: Tensor) -> None:
            calls[0] += 1
            plain(x + calls[0], y)

        loop.step = step
        return loop

    found = verdicts(build)["clock.resume-states"]
    assert found.status is Status.VACUOUS
    assert "the step is not deterministic: two runs without an interruption differ" in str(found.reason)


def test_a_window_is_saved_at_its_end() -> None:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer, calls = torch.optim.Adam(model.parameters(), lr=RATE), 0

        def step(x: Tensor, y: Tensor) -> None:
            nonlocal calls
            calls += 1
            (loss_fn(model(x), y) / 2).backward()
            if calls % 2 == 0:
                optimizer.step()
                optimizer.zero_grad()

        return {"step": step, "optimizer": optimizer}

    found = verdicts(build, accumulate=2, micro="equal", models=lambda: nn.Linear(3, 2))
    assert found["clock.resume-states"].status is Status.HELD
