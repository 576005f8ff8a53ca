"""The averaged copy of a model: in the forms that libraries give it, and moved otherwise than declared."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gdprops.errors import UsageError
from gdprops.model.verdict import About, Status, Verdict
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings
from gdprops.subjects.training_step.subject import training_step

DECAY = 0.75


class Net(nn.Module):
    """A batch norm has averages of its own: two buffers, and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.norm, self.head = nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.norm(self.body(x))))  # type: ignore[no-any-return] # modules return Any


def batches(index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=generator), torch.randn(4, 2, generator=generator)


def verdict(build: Callable[..., Any], average: Any, **declared: Any) -> Verdict:
    own: dict[str, Any] = {"models": Net, "batches": batches, "loss": nn.MSELoss(), "updates": 4}
    subject = training_step(build, name="mine", average=average, **{**own, **declared})
    outcome = check_subject(subject, clauses=("clock.average",), settings=Settings(seed=0, examples=2))
    (found,) = (v for v in outcome.verdicts if v.about is About.SUBJECT)
    return found


def with_average(make: Callable[[Any], Any], moves: Callable[[Any, Any, int], None], *, before: bool = False) -> Any:
    """Return a build whose step moves an average after its update, or before it."""

    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer, average, taken = torch.optim.SGD(model.parameters(), lr=0.25), make(model), 0

        def step(x: Tensor, y: Tensor) -> None:
            nonlocal taken
            if before:
                moves(average, model, taken)
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            if not before:
                moves(average, model, taken)
            taken += 1

        return {"step": step, "optimizer": optimizer, "average": average}

    return build


@torch.no_grad()
def lerps(average: Any, model: Any, _: int) -> None:
    for a, w in zip(average.parameters(), model.parameters(), strict=True):
        a.lerp_(w, 1 - DECAY)


@torch.no_grad()
def lerps_all_floats(average: Any, model: Any, t: int) -> None:
    for a, w in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        a.copy_(DECAY * a + (1 - DECAY) * w)


@torch.no_grad()
def lerps_and_copies_buffers(average: Any, model: Any, t: int) -> None:
    lerps(average, model, t)
    for a, w in zip(average.buffers(), model.buffers(), strict=True):
        a.copy_(w)


def named(model: Any) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def lerps_by_name(average: Any, model: Any, t: int) -> None:
    for name, p in model.named_parameters():
        average[name] = DECAY * average[name] + (1 - DECAY) * p.detach()


def lerps_a_list(average: Any, model: Any, t: int) -> None:
    for a, w in zip(average.shadow_params, model.parameters(), strict=True):
        a.sub_((1 - DECAY) * (a - w.detach()))


def updates(average: Any, model: Any, t: int) -> None:
    average.update_parameters(model)


def single(model: Any) -> Any:
    """Return a copy in float32, whatever the model is in."""
    return copy.deepcopy(model).float()


@torch.no_grad()
def lerps_in_single(average: Any, model: Any, _: int) -> None:
    for a, w in zip(average.parameters(), model.parameters(), strict=True):
        a.mul_(DECAY).add_(w.float(), alpha=1 - DECAY)


RIGHT: dict[str, tuple[Any, Any]] = {
    "a copy": (copy.deepcopy, lerps),
    "a copy with averaged buffers": (copy.deepcopy, lerps_all_floats),
    "a copy with copied buffers": (copy.deepcopy, lerps_and_copies_buffers),
    "a dict by name": (named, lerps_by_name),
    "a list": (lambda m: SimpleNamespace(shadow_params=[p.detach().clone() for p in m.parameters()]), lerps_a_list),
    "in float32": (single, lerps_in_single),
}


@pytest.mark.parametrize("form", RIGHT)
def test_an_average_in_any_form_is_held(form: str) -> None:
    found = verdict(with_average(*RIGHT[form]), ("ema", DECAY))
    assert found.status is Status.HELD, found.reason


class Tied(nn.Module):
    """Two layers of one weight, and a bias of their own each."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 3), nn.Linear(3, 3)
        self.head.weight = self.body.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.body(x)))[:, :2]  # type: ignore[no-any-return] # modules return Any


def test_a_tied_tensor_may_move_once_for_each_of_its_names() -> None:
    found = verdict(with_average(copy.deepcopy, lerps_all_floats), ("ema", DECAY), models=Tied)
    assert found.status is Status.HELD, found.reason
    assert [n.text for n in found.notes] == [
        "body.weight, head.weight are one tensor, which the average moves once for each name: 2 times in one update"
    ]
    assert not verdict(with_average(copy.deepcopy, lerps), ("ema", DECAY), models=Tied).notes


def test_two_moves_of_all_are_wrong_on_a_tied_model_too() -> None:
    def moves(average: Any, model: Any, t: int) -> None:
        lerps(average, model, t)
        lerps(average, model, t)

    found = verdict(with_average(copy.deepcopy, moves), ("ema", DECAY), models=Tied)
    assert found.reason == (
        "at update 1 the average of body.bias, head.bias is not 0.75 a + 0.25 w: it moves 2 times in one update"
    )


def test_torchs_own_averages_are_held() -> None:
    told = verdict(with_average(AveragedModel, updates), ("swa",))
    assert told.status is Status.HELD
    decays: Any = get_ema_multi_avg_fn
    ema = with_average(lambda m: AveragedModel(m, multi_avg_fn=decays(DECAY)), updates)
    told = verdict(ema, ("ema", DECAY))
    assert told.status is Status.HELD
    assert "the average begins as a copy of the weights after its first update" in [n.text for n in told.notes]


def test_polyak_is_the_other_share() -> None:
    assert verdict(with_average(copy.deepcopy, lerps), ("polyak", 1 - DECAY)).status is Status.HELD


def test_a_mean_that_counts_the_first_weights() -> None:
    @torch.no_grad()
    def moves(average: Any, model: Any, t: int) -> None:
        for a, w in zip(average.parameters(), model.parameters(), strict=True):
            a.add_((w - a) / (t + 2))

    found = verdict(with_average(copy.deepcopy, moves), ("swa",))
    assert found.status is Status.HELD
    assert "the average counts the weights before the first update" in [n.text for n in found.notes]


def test_every_second_update() -> None:
    def moves(average: Any, model: Any, t: int) -> None:
        if t % 2:
            lerps(average, model, t)

    found = verdict(with_average(copy.deepcopy, moves), ("ema", DECAY))
    assert found.status is Status.HELD
    assert "the average moves at every 2 updates" in [n.text for n in found.notes]


def test_an_average_that_a_function_returns_anew() -> None:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        optimizer, held = torch.optim.SGD(model.parameters(), lr=0.25), named(model)

        def step(x: Tensor, y: Tensor) -> None:
            nonlocal held
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
            held = {name: DECAY * held[name] + (1 - DECAY) * p.detach() for name, p in model.named_parameters()}

        return SimpleNamespace(step=step, optimizer=optimizer, average=lambda: held)

    assert verdict(build, ("ema", DECAY)).status is Status.HELD


def warming(t: int) -> float:
    return min(DECAY, (1 + t) / (10 + t))


@torch.no_grad()
def warms(average: Any, model: Any, t: int) -> None:
    for a, w in zip(average.parameters(), model.parameters(), strict=True):
        a.lerp_(w, 1 - warming(t))


def test_a_decay_that_grows() -> None:
    assert verdict(with_average(copy.deepcopy, warms), warming).status is Status.HELD


def changing(change: Callable[[Tensor, Tensor, int], object]) -> Any:
    @torch.no_grad()
    def moves(average: Any, model: Any, t: int) -> None:
        for a, w in zip(average.parameters(), model.parameters(), strict=True):
            change(a, w, t)

    return with_average(copy.deepcopy, moves)


WRONG = {
    "it moves away from the weights: the sign is flipped": changing(lambda a, w, t: a.add_((1 - DECAY) * (a - w))),
    "the shares d and 1 - d are exchanged": changing(lambda a, w, t: a.lerp_(w, DECAY)),
    "it takes the weights before the optimizer's step": with_average(copy.deepcopy, lerps, before=True),
    "it moves 2 times in one update": changing(lambda a, w, t: a.lerp_(w, 1 - DECAY).lerp_(w, 1 - DECAY)),
    "it keeps 0.9 of itself": changing(lambda a, w, t: a.lerp_(w, 0.1)),
}


@pytest.mark.parametrize("said", WRONG)
def test_an_average_that_moves_otherwise_is_named(said: str) -> None:
    found = verdict(WRONG[said], ("ema", DECAY))
    assert found.status is Status.VIOLATED
    assert str(found.reason).endswith(f"is not 0.75 a + 0.25 w: {said}")


def test_a_decay_of_another_update_is_named() -> None:
    found = verdict(changing(lambda a, w, t: a.lerp_(w, 1 - warming(t + 1))), warming)
    assert str(found.reason).endswith("is not 0.1 a + 0.9 w: the decay is that of the update after")


def test_a_decay_that_overwrites_itself() -> None:
    """huggingface/diffusers#1864: what is kept for one update is the bound of the next one."""
    bound = [DECAY]

    def overwrites(a: Tensor, w: Tensor, t: int) -> None:
        bound[0] = 1 - min(bound[0], (1 + t) / (10 + t))
        a.lerp_(w, 1 - bound[0])

    found = verdict(changing(overwrites), warming)
    assert found.status is Status.VIOLATED
    assert "is not 0.1 a + 0.9 w" in str(found.reason)


def test_one_parameter_that_is_left_out_is_blamed() -> None:
    found = verdict(changing(lambda a, w, t: a.lerp_(w, 1 - DECAY) if a.dim() > 1 else a), ("ema", DECAY))
    assert found.status is Status.VIOLATED
    assert set(found.blame) == {"body.bias", "norm.weight", "norm.bias", "head.bias"}


def test_an_average_that_never_moves_is_not_held() -> None:
    found = verdict(changing(lambda a, w, t: a), ("ema", DECAY))
    assert found.status is Status.VACUOUS
    assert "the average does not move within 4 updates; declare a run of more updates=" in str(found.reason)


def test_an_average_that_the_optimizer_holds() -> None:
    def build(model: nn.Module, loss_fn: Any) -> Any:
        made = with_average(copy.deepcopy, lerps)(model, loss_fn)
        made["optimizer"].add_param_group({"params": list(made["average"].head.parameters())})
        return made

    found = verdict(build, ("ema", DECAY))
    assert found.reason == "the optimizer holds head.weight, head.bias of the average"


def without(model: nn.Module, loss_fn: Any) -> Any:
    made = with_average(copy.deepcopy, lerps)(model, loss_fn)
    return made["step"], made["optimizer"]


def returning(average: Any) -> Any:
    return with_average(lambda model: average, lambda average, model, t: None)


@pytest.mark.parametrize(
    ("build", "average", "said"),
    [
        (
            with_average(copy.deepcopy, lerps),
            ("ema", 2),
            'average=(\'ema\', 2); expected ("ema", decay), ("polyak", tau), ("swa",) or a function t -> decay',
        ),
        (
            without,
            ("swa",),
            "mine: average= needs build to return the averaged copy, in a dict with step, optimizer and average",
        ),
        (
            returning({"haed.weight": torch.zeros(1)}),
            ("swa",),
            "mine: the average has 'haed.weight', which the model has not; did you mean 'head.weight' or "
            "'body.weight' or 'norm.weight'?",
        ),
        (returning(3), ("swa",), "mine: the average is an int; expected a module, a dict of tensors, or a list"),
        (
            returning([torch.zeros(1)]),
            ("swa",),
            "mine: the average is a list of 1 tensors; the model has 6 parameters",
        ),
    ],
)
def test_what_is_no_average_of_the_model_is_refused_in_one_line(build: Any, average: Any, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        verdict(build, average)
    assert str(refused.value) == said
