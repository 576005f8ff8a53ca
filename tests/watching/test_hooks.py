"""The hooks: nothing of them is left, and what the run does, returns and raises is its own."""

from __future__ import annotations

import copy
import gc
import os
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any, cast

import pytest
import torch
from torch import nn
from torch.nn.modules import module as modules
from torch.optim import optimizer as optimizers

import gdprops
from gdprops.faults.watched_runs.materials import batches, mse, plain, sgd
from gdprops.faults.watched_runs.right_gradients import scaler_that_skips
from gdprops.faults.watched_runs.right_trainings import checkpointed_transformer, word_language_model
from gdprops.watching.recorder import Recorder


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> None:
    for inputs, targets in batches(steps):
        optimizer.zero_grad()
        loss: Any = mse(model(inputs), targets)
        loss.backward()
        optimizer.step()


def hooked() -> dict[str, object]:
    """Return everything that the hooks touch."""
    scheduler = torch.optim.lr_scheduler
    classes = (torch.optim.Optimizer, nn.Module, torch.amp.GradScaler, torch.utils.data.DataLoader)
    found: dict[str, object] = {f"{one.__name__}.{name}": v for one in classes for name, v in vars(one).items()}
    found |= {f"schedulers.{n}.step": vars(v).get("step") for n, v in vars(scheduler).items() if isinstance(v, type)}
    found |= {f"torch.{name}": getattr(torch, name) for name in ("clear_autocast_cache",)}
    found |= {f"autograd.{name}": getattr(torch.autograd, name) for name in ("backward", "grad")}
    found |= {f"utils.{name}": getattr(nn.utils, name) for name in ("clip_grad_norm_", "clip_grad_value_")}
    found |= {"swap_tensors": torch.utils.swap_tensors, "start": BaseProcess.start, "_exit": os._exit}
    found["_has_any_global_hook"] = modules._has_any_global_hook
    registries = {name: v for one in (modules, optimizers) for name, v in vars(one).items() if name[:8] == "_global_"}
    registries.pop("_global_is_full_backward_hook")  # a flag
    assert len(registries) > 10
    return found | {name: dict(one) for name, one in registries.items()}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)  # torch wraps a class's step when it is first made
    before = hooked()
    yield
    assert hooked() == before


def test_after_the_context_the_process_is_as_before() -> None:
    model = plain()
    with gdprops.watch(steps=20) as live:
        train(model, sgd(model))
        assert model[0].weight._backward_hooks
    assert model[0].weight._backward_hooks is None
    assert live.report.ok


def test_after_the_watched_steps_nothing_is_hooked_while_the_run_goes_on() -> None:
    before = hooked()
    model = plain()
    optimizer = sgd(model)
    with gdprops.watch(steps=2) as live:
        assert hooked() != before
        train(model, optimizer, 2)
        train(model, optimizer, 1)
        assert hooked() == before
        assert model[0].weight._backward_hooks is None
    assert live.ledgers[0].steps == 2


def test_a_run_that_raises_leaves_nothing_behind() -> None:
    live = gdprops.watch()

    def run() -> None:
        with live:
            train(plain(), sgd(plain()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert live.ledgers[0].ending == "raised"


def test_the_weights_are_those_of_an_unwatched_run() -> None:
    bare, watched = plain(), plain()
    train(bare, sgd(bare, momentum=0.9), 5)
    with gdprops.watch(steps=3):
        train(watched, sgd(watched, momentum=0.9), 5)
    assert all(torch.equal(a, b) for a, b in zip(bare.parameters(), watched.parameters(), strict=True))


@pytest.mark.parametrize("script", [word_language_model, checkpointed_transformer, scaler_that_skips])
def test_random_numbers_are_those_of_an_unwatched_run(script: Any) -> None:
    torch.manual_seed(3)
    script()
    expected = torch.rand(4)
    torch.manual_seed(3)
    with gdprops.watch():
        script()
    assert torch.equal(torch.rand(4), expected)


def test_a_name_imported_before_is_replaced_too_and_put_back() -> None:
    names: dict[str, Any] = {"__name__": "users", "__spec__": None}
    exec("from torch.nn.utils import clip_grad_norm_ as clip", names)
    original = names["clip"]
    with gdprops.watch():
        assert names["clip"] is not original
    assert names["clip"] is original


def test_what_a_wrapped_function_raises_and_returns_is_its_own() -> None:
    weight = torch.ones(2, requires_grad=True)
    with gdprops.watch():
        with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
            torch.autograd.backward(weight * 2)
        (slope,) = torch.autograd.grad((weight * 3).sum(), weight)
        weight.sum().backward()  # type: ignore[no-untyped-call] # torch's own
        assert float(nn.utils.clip_grad_norm_([weight], 10.0)) == pytest.approx(2**0.5)
    assert slope.tolist() == [3.0, 3.0]


def test_an_error_of_ours_ends_the_watching_and_never_reaches_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise LookupError("of ours")

    monkeypatch.setattr("gdprops.watching.contents.Contents.look", fails)
    before, model = hooked(), plain()
    with gdprops.watch() as live:
        train(model, sgd(model))
        assert hooked()["autograd.backward"] is before["autograd.backward"]
    first = live.report.verdicts[0]
    assert first.status == "error"
    assert first.reason.rstrip().endswith("LookupError: of ours")
    assert live.report.exit_code == 3


def test_two_watches_at_once_do_not_take_each_others_marks_for_their_own() -> None:
    model = plain()
    optimizer = sgd(model)
    with gdprops.watch() as outer:
        train(model, optimizer)
        with gdprops.watch() as inner:
            train(model, optimizer)
    assert (outer.findings, inner.findings) == ((), ())
    assert [ledger.steps for live in (outer, inner) for ledger in live.ledgers] == [6, 3]


def test_two_watches_one_after_the_other_are_apart() -> None:
    model = plain()
    optimizer = sgd(model)
    for _ in range(2):
        with gdprops.watch() as live:
            train(model, optimizer, 2)
        assert live.ledgers[0].steps == 2
        assert not live.findings


def test_a_model_can_be_copied_while_it_is_watched() -> None:
    model = plain()
    with gdprops.watch():
        train(model, sgd(model))
        assert copy.deepcopy(model)[0].weight._backward_hooks is None


def test_nothing_of_the_run_is_kept_alive() -> None:
    class Tracked(nn.Linear):
        pass

    with gdprops.watch() as live:
        model = Tracked(3, 2)
        train(model, sgd(model))
        del model
        gc.collect()
        assert not [one for one in gc.get_objects() if type(one) is Tracked]
    assert live.ledgers[0].steps == 3


def test_threads_of_training_have_ledgers_of_their_own() -> None:
    import threading

    def run() -> None:
        model = plain()
        train(model, sgd(model))

    with gdprops.watch() as live:
        threads = [threading.Thread(target=run) for _ in range(2)]
        for thread in threads:
            thread.start()
            thread.join()
    assert [ledger.steps for ledger in live.ledgers] in ([3, 3], [6])
    assert not live.findings


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("steps", True), ("entries", -1)])
def test_bad_numbers_are_refused(name: str, value: Any) -> None:
    with pytest.raises(gdprops.UsageError, match=rf"{name}={value!r}; expected a whole number of at least 1"):
        gdprops.watch(**{name: value})


def test_a_recorder_that_is_done_records_nothing() -> None:
    recorder = Recorder(1, entries=8)
    recorder.stop()
    recorder.zero_grad()
    assert recorder.ledgers()[0].events == ()


def test_tensors_of_a_watched_run_can_be_swapped_and_are_known_afterwards() -> None:
    model: Any = plain()
    optimizer, utils = sgd(model), cast(Any, torch.utils)
    with gdprops.watch() as live:
        train(model, optimizer, 2)
        with torch.no_grad():
            utils.swap_tensors(model[0].weight, nn.Parameter(model[0].weight * 0.5))
        train(model, optimizer, 2)
    utils.swap_tensors(model[0].weight, nn.Parameter(torch.zeros(4, 3)))
    assert live.ledgers[0].steps == 4
    assert len(live.ledgers[0].parameters) == 4
    assert not live.findings


def test_what_somebody_has_replaced_in_the_meantime_stays() -> None:
    original = torch.optim.Optimizer.zero_grad
    with gdprops.watch():
        ours: Any = torch.optim.Optimizer.zero_grad

        def theirs(self: Any) -> None:
            ours(self)

        torch.optim.Optimizer.zero_grad = theirs  # type: ignore[method-assign, assignment] # the patch
    try:
        assert torch.optim.Optimizer.zero_grad is theirs
        train(plain(), sgd(plain()))
    finally:
        torch.optim.Optimizer.zero_grad = original  # type: ignore[method-assign] # put back
