"""Loops of one loss that are right and unusual, with all that is declared of them: none is accused."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

import gdprops

RATE, DECAY = 0.125, 0.75
Build = Callable[[Any, Any], Any]


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Dropout(0.25), nn.Linear(4, 2))


def with_norm() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2))


def batches(index: int) -> tuple[Tensor, Tensor]:
    g, rows = torch.Generator().manual_seed(index), 4 + index % 3
    return torch.randn(rows, 3, generator=g), torch.randn(rows, 2, generator=g)


def even(index: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(index)
    return torch.randn(4, 3, generator=g), torch.randn(4, 2, generator=g)


EVEN: dict[str, Any] = {"micro": "equal", "batches": even}


def smooth() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def sgd(m: Any, **more: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(m.parameters(), **{"lr": RATE, "momentum": 0.5, **more})


def adam(m: Any, **more: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(m.parameters(), **{"lr": 0.01, **more})


@dataclass
class Right:
    """A right loop, what is declared of it, and the clauses that must be held rather than undecided."""

    build: Build
    held: tuple[str, ...] = ("step.simultaneous",)
    declared: dict[str, Any] = field(default_factory=dict)


RIGHT: dict[str, Right] = {}


def right(*held: str, **declared: Any) -> Callable[[Build], Build]:
    """Keep a build by the words of its name."""

    def keep(build: Any) -> Build:
        RIGHT[build.__name__.replace("_", " ")] = Right(build, held or ("step.simultaneous",), declared)
        return build  # type: ignore[no-any-return] # what was given

    return keep


# Windows


@right("step.simultaneous", "step.once", accumulate=3)
def a_window_whose_losses_wait_in_a_list(m: Any, f: Any) -> Any:
    optimizer, waiting = sgd(m), list[tuple[Tensor, int]]()

    def step(x: Tensor, y: Tensor, last: bool) -> None:
        waiting.append((f(m(x), y), len(x)))
        if last:
            optimizer.zero_grad()
            total: Any = sum(loss * n for loss, n in waiting)
            (total / sum(n for _, n in waiting)).backward()
            optimizer.step()
            waiting.clear()

    return step, optimizer


@right(accumulate=2)
def a_window_whose_gradients_wait_in_a_list(m: Any, f: Any) -> Any:
    optimizer, own, waiting = adam(m), list(m.parameters()), list[Any]()

    def step(x: Tensor, y: Tensor, last: bool) -> None:
        waiting.append((torch.autograd.grad(f(m(x), y), own), len(x)))
        if last:
            rows = sum(n for _, n in waiting)
            for k, p in enumerate(own):
                p.grad = sum(n * found[k] for found, n in waiting) / rows
            optimizer.step()
            waiting.clear()

    return step, optimizer


@right("step.simultaneous", "step.accumulation", accumulate=3, **EVEN)
def a_window_that_is_cleared_at_its_first_call(m: Any, f: Any) -> Any:
    optimizer, calls = sgd(m, weight_decay=0.01), 0

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal calls
        if calls % 3 == 0:
            optimizer.zero_grad(set_to_none=False)
        calls += 1
        (f(m(x), y) / 3).backward()
        if calls % 3 == 0:
            optimizer.step()

    return step, optimizer


@right(accumulate=2, counts=lambda x, y: float((y[:, 0] > 0).sum()))
def tokens_of_a_window_are_counted_in_the_loss(m: Any, f: Any) -> Any:
    optimizer, counted = adam(m), [0.0]

    def step(x: Tensor, y: Tensor, last: bool) -> None:
        n = float((y[:, 0] > 0).sum())
        (n * f(m(x), y)).backward()
        counted[0] += n
        if last:
            for p in m.parameters():
                p.grad = None if not counted[0] else p.grad / counted[0]
            optimizer.step()
            optimizer.zero_grad()
            counted[0] = 0.0

    return step, optimizer


@right("step.simultaneous", "step.clipping", accumulate=2, **EVEN, clip_norm=0.1)
def a_scaled_window_that_is_unscaled_and_clipped(m: Any, f: Any) -> Any:
    optimizer, scaler, calls = sgd(m), torch.amp.GradScaler("cpu", init_scale=256.0), 0

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal calls
        calls += 1
        scaler.scale(f(m(x), y) / 2).backward()
        if calls % 2 == 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(m.parameters(), 0.1)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()

    return step, optimizer


# How gradients come to the optimizer


def parts(x: Tensor, y: Tensor, n: int) -> Any:
    return zip(x.chunk(n), y.chunk(n), strict=True)


@right(models=smooth)
def one_batch_in_two_halves(m: Any, f: Any) -> Any:
    optimizer = sgd(m)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        for a, b in parts(x, y, 2):
            (len(a) / len(x) * f(m(a), b)).backward()
        optimizer.step()

    return step, optimizer


@right("step.simultaneous", "step.once")
def each_parameter_steps_inside_of_backward(m: Any, f: Any) -> Any:
    """As torch's tutorial on optimizers inside of the backward pass."""
    own = {p: torch.optim.Adam([p], lr=0.01) for p in m.parameters()}

    def steps(p: Tensor) -> None:
        own[p].step()
        own[p].zero_grad()

    for p in own:
        p.register_post_accumulate_grad_hook(steps)

    def step(x: Tensor, y: Tensor) -> None:
        f(m(x), y).backward()

    return step, list(own.values())


@right()
def matrices_and_biases_have_optimizers_of_their_own(m: Any, f: Any) -> Any:
    matrices = [p for p in m.parameters() if p.dim() > 1]
    others = [p for p in m.parameters() if p.dim() < 2]
    optimizers = {"matrices": torch.optim.SGD(matrices, lr=RATE), "others": torch.optim.Adam(others, lr=0.01)}

    def step(x: Tensor, y: Tensor) -> None:
        m.zero_grad()
        f(m(x), y).backward()
        for optimizer in reversed(optimizers.values()):
            optimizer.step()

    return SimpleNamespace(step=step, optimizer=optimizers)


@right()
def adam_is_given_a_closure(m: Any, f: Any) -> Any:
    optimizer = adam(m)

    def step(x: Tensor, y: Tensor) -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = f(m(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)

    return step, optimizer


@right()
def gradients_of_a_function_of_the_parameters(m: Any, f: Any) -> Any:
    optimizer = adam(m)

    def loss(own: Any, x: Tensor, y: Tensor) -> Any:
        return f(torch.func.functional_call(m, own, (x,)), y)

    def step(x: Tensor, y: Tensor) -> None:
        own = dict(m.named_parameters())
        found = torch.func.grad(loss)({name: p.detach() for name, p in own.items()}, x, y)
        for name, p in own.items():
            p.grad = found[name].detach()
        optimizer.step()

    return step, optimizer


@right()
def activations_are_computed_again(m: Any, f: Any) -> Any:
    optimizer = sgd(m, nesterov=True)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        f(checkpoint(m, x, use_reentrant=False), y).backward()
        optimizer.step()

    return step, optimizer


@right("step.clipping", clip_norm=0.2)
def a_hook_of_the_optimizer_clips(m: Any, f: Any) -> Any:
    optimizer = sgd(m)

    def clips(*_: Any) -> None:
        nn.utils.clip_grad_norm_(m.parameters(), 0.2)

    optimizer.register_step_pre_hook(clips)
    return plain(m, f, optimizer), optimizer


@right("step.clipping", clip_norm=0.2)
def clipping_by_hand_over_all_tensors_at_once(m: Any, f: Any) -> Any:
    optimizer = sgd(m)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        f(m(x), y).backward()
        grads = [p.grad for p in m.parameters()]
        total = torch.stack(torch._foreach_norm(grads)).norm()
        torch._foreach_mul_(grads, (0.2 / (total + 1e-6)).clamp(max=1.0))
        optimizer.step()

    return step, optimizer


def plain(m: Any, f: Any, optimizer: Any) -> Any:
    def step(x: Tensor, y: Tensor) -> float:
        optimizer.zero_grad()
        loss = f(m(x), y)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


@right("step.simultaneous", clip_value=0.05)
def hooks_of_the_tensors_clip_each_entry(m: Any, f: Any) -> Any:
    for p in m.parameters():
        p.register_hook(lambda g: g.clamp(-0.05, 0.05))
    optimizer = sgd(m)
    return plain(m, f, optimizer), optimizer


@right("step.simultaneous", "step.mode", models=with_norm)
def accuracy_is_measured_before_the_step_in_evaluation_mode(m: Any, f: Any) -> Any:
    optimizer = adam(m)
    train = plain(m, f, optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        m.eval()
        with torch.inference_mode():
            f(m(x), y)
        m.train()
        train(x, y)

    return step, optimizer


@right("step.simultaneous", models=with_norm)
def a_batch_norm_that_rests_while_the_rest_trains(m: Any, f: Any) -> Any:
    optimizer = sgd(m)
    train = plain(m, f, optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        m.train()
        m[1].eval()
        train(x, y)

    return step, optimizer


@right("step.simultaneous", objective=lambda m, x, y: nn.functional.mse_loss(m(x), y) + 0.01 * _squares(m))
def a_penalty_that_is_differentiated_by_itself(m: Any, f: Any) -> Any:
    optimizer = adam(m)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        loss: Any = nn.functional.mse_loss(m(x), y)
        loss.backward()
        penalty: Any = 0.01 * _squares(m)
        penalty.backward()
        optimizer.step()

    return step, optimizer


def _squares(m: Any) -> Any:
    return sum((p**2).sum() for p in m.parameters())


def _with_slope(m: Any, x: Tensor, y: Tensor) -> Any:
    x = x.detach().requires_grad_()
    out = m(x)
    (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    return nn.functional.mse_loss(out, y) + 0.1 * (slope**2).mean()


@right(objective=_with_slope)
def a_penalty_on_the_slope_of_the_outputs(m: Any, f: Any) -> Any:
    optimizer = adam(m)

    def step(x: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        _with_slope(m, x, y).backward()
        optimizer.step()

    return step, optimizer


# Clocks


def warming(o: Any) -> Any:
    return lr_scheduler.LambdaLR(o, lambda t: min(1.0, (t + 1) / 3) * 0.5 * (1 + math.cos(math.pi * min(t, 12) / 12)))


@right("clock.schedule", schedule=warming, accumulate=2, **EVEN)
def a_warm_cosine_in_scaled_windows(m: Any, f: Any) -> Any:
    optimizer, calls, scaler = sgd(m), 0, torch.amp.GradScaler("cpu", init_scale=256.0)
    scheduler = warming(optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal calls
        calls += 1
        scaler.scale(f(m(x), y) / 2).backward()
        if calls % 2:
            return
        before = scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        if scaler.get_scale() >= before:
            scheduler.step()

    return step, optimizer


def cycling(o: Any) -> Any:
    return lr_scheduler.CyclicLR(o, 0.01, RATE, step_size_up=3, base_momentum=0.3, max_momentum=0.7)


@right("clock.schedule", schedule=cycling)
def rate_and_momentum_cycle(m: Any, f: Any) -> Any:
    optimizer = sgd(m)
    return after(plain(m, f, optimizer), cycling(optimizer).step), optimizer


def after(train: Any, then: Callable[[], Any]) -> Any:
    def step(x: Tensor, y: Tensor) -> Any:
        returned = train(x, y)
        then()
        return returned

    return step


def milestones(o: Any) -> Any:
    return lr_scheduler.MultiStepLR(o, [1, 2], 0.5)


@right("clock.schedule", schedule=milestones, per="epoch")
def an_epoch_advances_the_schedule_when_the_next_one_begins(m: Any, f: Any) -> Any:
    optimizer, calls = adam(m), 0
    train, scheduler = plain(m, f, optimizer), milestones(optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal calls
        if calls and calls % 4 == 0:
            scheduler.step()
        calls += 1
        train(x, y)

    return step, optimizer


@right("clock.schedule", schedule=lambda t: [RATE / (t + 1), 0.5 * RATE / (t + 1)])
def layers_have_shares_of_a_rate_that_is_set_by_hand(m: Any, f: Any) -> Any:
    groups: list[Any] = [{"params": m[0].parameters(), "share": 1.0}, {"params": m[3].parameters(), "share": 0.5}]
    optimizer, taken = torch.optim.SGD(groups, lr=RATE), 0
    train = plain(m, f, optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        taken += 1
        for group in optimizer.param_groups:
            group["lr"] = RATE / taken * group["share"]
        train(x, y)

    return step, optimizer


@right("clock.schedule", schedule=lambda t: RATE * 0.5 * (1 + math.cos(math.pi * (t / 4 % 1))))
def warm_restarts_by_fractions_of_an_epoch(m: Any, f: Any) -> Any:
    optimizer, taken = sgd(m), 0
    train, scheduler = plain(m, f, optimizer), lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 1)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        scheduler.step(taken / 4)
        train(x, y)
        taken += 1

    return step, optimizer


def plateau(o: Any) -> Any:
    return lr_scheduler.ReduceLROnPlateau(o, factor=0.5, patience=0, threshold=0.5)


@right("clock.schedule", schedule=plateau, metric=True)
def a_plateau_in_the_losses(m: Any, f: Any) -> Any:
    optimizer = sgd(m)
    train, scheduler = plain(m, f, optimizer), plateau(optimizer)

    def step(x: Tensor, y: Tensor) -> float:
        loss = float(train(x, y))
        scheduler.step(loss)
        return loss

    return step, optimizer


# Averages


@right("clock.average", average=("swa",))
def a_mean_of_weights_that_begins_late(m: Any, f: Any) -> Any:
    optimizer, mean, taken = sgd(m), AveragedModel(m), 0
    train = plain(m, f, optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        train(x, y)
        taken += 1
        if taken > 3:
            mean.update_parameters(m)

    return {"step": step, "optimizer": optimizer, "average": mean}


@right("clock.average", "step.mode", average=("ema", DECAY))
def validation_on_the_average_and_back(m: Any, f: Any) -> Any:
    optimizer, shadow = adam(m), [p.detach().clone() for p in m.parameters()]
    train = plain(m, f, optimizer)

    @torch.no_grad()
    def step(x: Tensor, y: Tensor) -> None:
        with torch.enable_grad():
            train(x, y)
        own = list(m.parameters())
        torch._foreach_lerp_(shadow, own, 1 - DECAY)
        held = [p.clone() for p in own]
        for p, s in zip(own, shadow, strict=True):
            p.copy_(s)
        m.eval()
        f(m(x), y)
        m.train()
        for p, h in zip(own, held, strict=True):
            p.copy_(h)

    return {"step": step, "optimizer": optimizer, "average": shadow}


@right("clock.average", average=("ema", DECAY), models=with_norm)
def an_average_in_double_precision_of_all_that_is_saved(m: Any, f: Any) -> Any:
    optimizer = sgd(m)
    held = {name: v.double() if v.is_floating_point() else v.clone() for name, v in m.state_dict().items()}

    def moves() -> None:
        for name, v in m.state_dict().items():
            held[name] = DECAY * held[name] + (1 - DECAY) * v if v.is_floating_point() else v.clone()

    return {"step": after(plain(m, f, optimizer), moves), "optimizer": optimizer, "average": lambda: held}


# Resuming


@right("clock.resume")
def everything_is_saved_as_bytes(m: Any, f: Any) -> Any:
    optimizer, ema = adam(m), copy.deepcopy(m)
    scheduler = warming(optimizer)
    kept: list[Any] = [m, optimizer, scheduler, ema]

    @torch.no_grad()
    def then() -> None:
        scheduler.step()
        for a, p in zip(ema.parameters(), m.parameters(), strict=True):
            a.lerp_(p, 1 - DECAY)

    def save() -> bytes:
        torch.save([one.state_dict() for one in kept], file := io.BytesIO())
        return file.getvalue()

    def load(saved: bytes) -> None:
        for one, state in zip(kept, torch.load(io.BytesIO(saved), weights_only=False), strict=True):
            one.load_state_dict(state)

    return {"step": after(plain(m, f, optimizer), then), "optimizer": optimizer, "save": save, "load": load}


@right("clock.resume-states")
def state_dicts_of_a_warm_loop_are_enough(m: Any, f: Any) -> Any:
    optimizer = sgd(m)
    scheduler = warming(optimizer)
    step = after(plain(m, f, optimizer), scheduler.step)
    return {"step": step, "optimizer": optimizer, "scheduler": scheduler}


# Frozen parts


@right("step.complete-as-declared", frozen={"0.*": range(1, 3)})
def a_body_joins_the_optimizer_later(m: Any, f: Any) -> Any:
    m[0].requires_grad_(False)
    optimizer, taken = torch.optim.SGD(m[3].parameters(), lr=RATE), 0
    train = plain(m, f, optimizer)

    def step(x: Tensor, y: Tensor) -> None:
        nonlocal taken
        taken += 1
        if taken == 3:
            m[0].requires_grad_(True)
            optimizer.add_param_group({"params": list(m[0].parameters()), "lr": RATE / 4})
        train(x, y)

    return step, optimizer


class Adapted(nn.Module):
    """A layer that rests, and a small one beside it that trains."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer, self.less = layer.requires_grad_(False), nn.Linear(layer.in_features, 1, bias=False)
        self.more = nn.Parameter(torch.zeros(layer.out_features, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.less(x) @ self.more.T  # type: ignore[no-any-return] # modules return Any


def adapted() -> nn.Module:
    return nn.Sequential(Adapted(nn.Linear(3, 4)), nn.Tanh(), Adapted(nn.Linear(4, 2)))


@right("step.complete-as-declared", models=adapted, trains=["*.less.*", "*.more"], frozen="*.layer.*")
def adapters_train_and_what_they_adapt_rests(m: Any, f: Any) -> Any:
    groups: list[Any] = [
        {"params": [p for name, p in m.named_parameters() if ".less." in name]},
        {"params": [p for name, p in m.named_parameters() if name.endswith("more")], "lr": 16 * 0.01},
    ]
    optimizer = torch.optim.Adam(groups, lr=0.01)
    return plain(m, f, optimizer), optimizer


# More than one look


@right()
def lbfgs_with_a_line_search(m: Any, f: Any) -> Any:
    optimizer: Any = torch.optim.LBFGS(m.parameters(), lr=0.5, max_iter=4, line_search_fn="strong_wolfe")

    def step(x: Tensor, y: Tensor) -> None:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = f(m(x), y)
            loss.backward()
            return loss

        optimizer.step(closure)

    return step, optimizer


class Lookahead(torch.optim.SGD):
    """Comes back half of the way at every second step."""

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        returned = super().step(closure)
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["taken"] = state.get("taken", 0) + 1
                slow = state.setdefault("slow", p.clone())
                if state["taken"] % 2 == 0:
                    slow.lerp_(p, 0.5)
                    p.copy_(slow)
        return returned


@right()
def lookahead_as_an_optimizer_of_ones_own(m: Any, f: Any) -> Any:
    optimizer = Lookahead(m.parameters(), lr=RATE, momentum=0.5)
    return plain(m, f, optimizer), optimizer


@pytest.mark.nightly
@pytest.mark.parametrize("name", RIGHT)
def test_an_unusual_loop_is_not_accused(name: str) -> None:
    one = RIGHT[name]
    own = {"models": net, "batches": batches} | ({} if "objective" in one.declared else {"loss": nn.MSELoss()})
    subject = gdprops.training_step(one.build, name="mine", **{**own, **one.declared})
    clocks = [clause for clause in one.held if clause.startswith("clock.")]
    outcome = gdprops.check(subject, clauses=["step.*", *clocks], examples=5, seed=0, timeout=600)
    said = {v.clause: (str(v.status), v.reason, v.explanation) for v in outcome.verdicts if v.about == "subject"}
    assert not {clause: told for clause, told in said.items() if told[0] in ("violated", "error")}
    assert {clause: said[clause][:2] for clause in one.held if said[clause][0] != "held"} == {}
