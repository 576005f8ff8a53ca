"""``--as skorch``: a NeuralNet, and what it does wrong is caught and named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.user_code import framework_names
from tests.subjects.trainers.loops import NET, Changes, held, needs, subject, violated

needs_skorch = needs("skorch", "skorch")
FILE = f"""{NET}
from skorch import NeuralNetRegressor
from skorch.callbacks import GradientNormClipping, LRScheduler

class Net(NeuralNetRegressor):
    pass

def train():
    clips = GradientNormClipping(0.5)
    schedule = LRScheduler(torch.optim.lr_scheduler.LinearLR, total_iters=8, step_every="batch")
    return Net(net, lr=0.1, optimizer=torch.optim.SGD, optimizer__momentum=0.5, callbacks=[clips, schedule])
"""
NO_CLIPS = ("callbacks=[clips, schedule]", "callbacks=[schedule]")


def step_is(body: str) -> tuple[str, str]:
    """Return the change that gives the net a ``train_step`` of its own."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    return ("    pass\n", f"    def train_step(self, batch, **more):\n{lines}\n        return step\n")


NO_ZERO_GRAD = step_is("step = self.train_step_single(batch, **more)\nself.optimizer_.step()")
SWEEP = step_is("""
layers = (self.module_[0], self.module_[2])
for one, other in (layers, layers[::-1]):
    other.requires_grad_(False)
    self.optimizer_.zero_grad()
    step = self.train_step_single(batch, **more)
    self.optimizer_.step()
    other.requires_grad_(True)
""")
WINDOWS = step_is("""
self.calls = getattr(self, "calls", 0) + 1
xb, yb = batch
loss = self.get_loss(self.infer(xb), yb, X=xb, training=True) / 2
loss.backward()
step = {"loss": loss, "y_pred": None}
if self.calls % 2 == 0:
    self.optimizer_.step()
    self.optimizer_.zero_grad()
""")


def made(folder: Path, *changes: tuple[str, str], **given: Any) -> Any:
    return subject(folder, FILE, "skorch", changes, **{"batches": "FILE:batch", **given})


@needs_skorch
def test_a_net_with_its_callbacks_holds(tmp_path: Path) -> None:
    statuses, told = held(made(tmp_path))
    judged = ("step.simultaneous", "step.once", "step.complete", "clock.schedule")
    assert [statuses[k] for k in judged] == ["held"] * len(judged)
    assert "skorch: partial_fit drives on the CPU; epochs of 4 updates are fed to it" in told
    assert "GradientNormClipping: gradients are clipped to the norm 0.5" in told
    assert "LRScheduler advances every batch" in told


@needs_skorch
def test_a_net_that_is_a_module_with_arguments_holds(tmp_path: Path) -> None:
    wide = (
        "def net():\n    return nn.Sequential(nn.Linear(3, 4)",
        "def net(width):\n    return nn.Sequential(nn.Linear(3, width)",
    )
    changes = (wide, ("nn.Linear(4, 2)", "nn.Linear(width, 2)"), ("Net(net,", "Net(net, module__width=4,"))
    statuses, _ = held(made(tmp_path, *changes), "step.simultaneous")
    assert statuses["step.simultaneous"] == "held"


@needs_skorch
def test_gradients_that_are_never_cleared(tmp_path: Path) -> None:
    found = violated("step.fresh-gradient", made(tmp_path, NO_ZERO_GRAD, NO_CLIPS))
    assert found.explanation == "the gradient is added to those of the earlier steps (no zero_grad)"


@needs_skorch
def test_layer_by_layer(tmp_path: Path) -> None:
    changes = (SWEEP, NO_CLIPS, (", optimizer__momentum=0.5", ""))
    found = violated("step.simultaneous", made(tmp_path, *changes))
    assert found.explanation.startswith("layer by layer, first layer first: each layer's gradient is taken after the ")


@needs_skorch
def test_clipping_that_is_left_out(tmp_path: Path) -> None:
    found = violated("step.clipping", made(tmp_path, NO_CLIPS, clip_norm=0.1))
    assert found.explanation == "the gradient is not clipped"


@needs_skorch
def test_parameters_that_no_optimizer_holds(tmp_path: Path) -> None:
    change = (
        "    pass\n",
        """    def initialize_optimizer(self, triggered_directly=None):
        self.optimizer_ = torch.optim.SGD(self.module_[2].parameters(), lr=0.1)
        return self
""",
    )
    found = violated("step.complete", made(tmp_path, change))
    assert found.reason.startswith("0.weight, 0.bias: trainable, reached by the loss, and in no group of the optimizer")


@needs_skorch
def test_a_scheduler_that_advances_per_micro_batch(tmp_path: Path) -> None:
    found = violated("clock.schedule", made(tmp_path, WINDOWS, NO_CLIPS, accumulate=2))
    assert found.reason.startswith("at update 1 the rate is ")


@needs_skorch
@pytest.mark.parametrize(
    ("changes", "given", "said"),
    [
        ((), {"name": "net"}, "train.py:net makes a Sequential; expected a skorch.NeuralNet"),
        ((), {"batches": None}, " needs --batches, a function (index) -> (X, y)"),
        ((("lr=0.1", "lr=1/0"),), {}, "train.py:train raised ZeroDivisionError: division by zero"),
    ],
    ids=lambda value: value[-30:] if isinstance(value, str) else "",
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, changes: Changes, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as told:
        made(tmp_path, *changes, **given)
    assert str(told.value).endswith(said)


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_names, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as told:
        resolve("torch.optim:SGD", kind="skorch")
    assert str(told.value) == "skorch is not installed: python -m pip install 'gdprops[skorch]'"
