"""``--as keras``: a compiled model on torch, and what its ``train_step`` does wrong is caught and named."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.user_code import framework_names
from tests.subjects.trainers.loops import Changes, held, subject, violated

on_torch = find_spec("keras") is not None and os.environ.get("KERAS_BACKEND") == "torch"
needs_keras = pytest.mark.skipif(not on_torch, reason="keras on torch is an extra (tox -e keras-torch)")
FILE = """
import keras, torch

def batch(index):
    torch.manual_seed(index)
    return torch.randn(4, 3), torch.randn(4, 2)

class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.last = keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(2)
        self.drop = keras.layers.Identity()

    def call(self, x, training=False):
        return self.last(self.drop(self.first(x), training=training))

    def moves(self, variables):
        with torch.no_grad():
            self.optimizer.apply([v.value.grad for v in variables], variables)

def train():
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    made = Net()
    made.compile(optimizer=keras.optimizers.SGD(rate, momentum=0.5, global_clipnorm=0.5), loss="mse")
    return made
"""
DROPOUT = ("Identity()", "Dropout(0.3)")
PLAIN = (("rate, momentum=0.5, global_clipnorm=0.5", "0.1"),)


def train_step(body: str) -> tuple[str, str]:
    """Return the change that gives the model a ``train_step`` of its own."""
    lines = "\n".join(f"        {line}" for line in body.strip().splitlines())
    own = f"    def train_step(self, data):\n        x, y, _ = data\n{lines}\n        return {{}}\n\n"
    return ("def train():", f"{own}def train():")


LOSS = "loss = self._compute_loss(x=x, y=y, y_pred=self(x, training=True), training=True)\nloss.backward()"


def made(folder: Path, *changes: tuple[str, str], **given: Any) -> Any:
    return subject(folder, FILE, "keras", changes, **{"batches": "FILE:batch", **given})


@needs_keras
@pytest.mark.parametrize("by", ["train_on_batch", "fit"])
def test_a_model_with_dropout_clipping_and_a_schedule_holds(tmp_path: Path, by: str) -> None:
    statuses, told = held(made(tmp_path, DROPOUT, by=by))
    judged = ("step.simultaneous", "step.complete", "step.clipping", "clock.schedule")
    assert [statuses[k] for k in judged] == ["held"] * len(judged)
    assert f"keras: {by} drives on the CPU, on torch, and the model's SGD makes the update" in told
    assert "global_clipnorm=0.5: gradients are clipped to this norm" in told
    assert "ExponentialDecay is read once per update" in told


@needs_keras
@pytest.mark.parametrize("optimizer", ["Adam(0.01)", "RMSprop(0.01)", "AdamW(0.01, weight_decay=0.1)"])
def test_other_optimizers_hold(tmp_path: Path, optimizer: str) -> None:
    change = ("SGD(rate, momentum=0.5, global_clipnorm=0.5)", optimizer)
    statuses, _ = held(made(tmp_path, change), "step.simultaneous")
    assert statuses["step.simultaneous"] == "held"


@needs_keras
def test_gradients_that_are_never_cleared(tmp_path: Path) -> None:
    found = violated(
        "step.fresh-gradient", made(tmp_path, *PLAIN, train_step(f"{LOSS}\nself.moves(self.trainable_weights)"))
    )
    assert found.explanation == "the gradient is added to those of the earlier steps (no zero_grad)"


@needs_keras
def test_layer_by_layer(tmp_path: Path) -> None:
    sweep = train_step(f"""
for layer in (self.first, self.last):
    self.zero_grad()
    {LOSS.replace(chr(10), chr(10) + "    ")}
    with torch.no_grad():
        for v in layer.trainable_weights:
            v.value.sub_(0.1 * v.value.grad)
""")
    found = violated("step.simultaneous", made(tmp_path, *PLAIN, sweep))
    assert found.explanation.startswith("layer by layer, first layer first: each layer's gradient is taken after the ")


@needs_keras
def test_clipping_that_is_left_out(tmp_path: Path) -> None:
    by_hand = train_step(f"""
self.zero_grad()
{LOSS}
with torch.no_grad():
    for v in self.trainable_weights:
        v.value.sub_(0.1 * v.value.grad)
""")
    changes = (("rate, momentum=0.5, global_clipnorm=0.5", "0.1, global_clipnorm=0.1"), by_hand)
    found = violated("step.clipping", made(tmp_path, *changes))
    assert found.explanation == "the gradient is not clipped"


@needs_keras
def test_parameters_that_no_optimizer_holds(tmp_path: Path) -> None:
    half = train_step(f"self.zero_grad()\n{LOSS}\nself.moves(self.last.trainable_weights)")
    built = (
        "    return made\n",
        "    made(batch(0)[0])\n    made.optimizer.build(made.last.trainable_weights)\n    return made\n",
    )
    found = violated("step.complete", made(tmp_path, *PLAIN, half, built))
    assert "trainable, reached by the loss, and in no group of the optimizer" in found.reason


@needs_keras
def test_a_schedule_that_advances_twice_per_update(tmp_path: Path) -> None:
    twice = train_step(f"""
self.zero_grad()
{LOSS}
self.moves(self.trainable_weights)
self.optimizer.iterations.assign_add(1)
""")
    found = violated("clock.schedule", made(tmp_path, twice))
    assert found.reason.endswith("the schedule advances 2 times per update")


@needs_keras
@pytest.mark.parametrize(
    ("changes", "given", "said"),
    [
        (
            (),
            {"name": "batch"},
            "train.py:batch raised TypeError: batch() missing 1 required positional argument: 'index'",
        ),
        (
            (("    made.compile", "    made.compiled = dict"),),
            {},
            "makes a model that is not compiled; expected a compiled keras.Model",
        ),
        ((), {"by": "train"}, "by='train'; expected 'train_on_batch' or 'fit'"),
        ((), {"batches": None}, " needs --batches, a function (index) -> (x, y)"),
    ],
    ids=lambda value: value[-30:] if isinstance(value, str) else "",
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, changes: Changes, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as told:
        made(tmp_path, *changes, **given)
    assert str(told.value).endswith(said)


@pytest.fixture
def backend() -> Iterator[None]:
    """Put the environment back as it was: the kind asks for torch where nothing else is asked for."""
    asked = os.environ.get("KERAS_BACKEND")
    yield
    if asked is None:
        os.environ.pop("KERAS_BACKEND", None)


@pytest.mark.usefixtures("backend")
def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(framework_names, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as told:
        resolve("torch.optim:SGD", kind="keras")
    assert str(told.value) == "keras is not installed: python -m pip install 'gdprops[keras-torch]'"
