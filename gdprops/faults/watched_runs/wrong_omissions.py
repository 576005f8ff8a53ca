"""Watched scripts that lose parameters or micro-batches: hidden in a list, cleared too often, clipped by nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset

from gdprops.faults.fault import Fault
from gdprops.faults.watched_runs.materials import batches, mse, plain, sgd


class Hidden(nn.Module):
    """A network whose layers stand in a Python list."""

    def __init__(self) -> None:
        super().__init__()
        self.layers, self.head = [nn.Linear(3, 3) for _ in range(2)], nn.Linear(3, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return two numbers for each row."""
        for layer in self.layers:
            inputs = torch.tanh(layer(inputs))
        out: Tensor = self.head(inputs)
        return out


def hides_layers_in_a_list() -> None:
    """Train a network that does not know its own layers."""
    model = Hidden()
    optimizer = sgd(model)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def freezes_what_is_to_be_trained() -> None:
    """Freeze everything but batch norm, and hand the head over to the optimizer."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = torch.optim.Adam(model[3].parameters(), lr=1e-3)
    model.requires_grad_(False)
    model[1].requires_grad_(True)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def detaches_the_encoder() -> None:
    """Detach between two models that are both to be trained."""
    encoder, decoder = plain(), nn.Linear(2, 2)
    optimizer = torch.optim.SGD([*encoder.parameters(), *decoder.parameters()], lr=0.1)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(decoder(encoder(inputs).detach()), targets).backward()
        optimizer.step()


def clears_every_micro_batch() -> None:
    """Clear the gradients at every micro-batch of a window."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches(12)):
        optimizer.zero_grad()
        (mse(model(inputs), targets) / 4).backward()
        if index % 4 == 3:
            optimizer.step()


def clears_in_the_middle_of_a_window() -> None:
    """Clear the gradients at the first two micro-batches of three."""
    model = plain()
    optimizer = sgd(model)
    for index, (inputs, targets) in enumerate(batches(12)):
        if index % 3 < 2:
            optimizer.zero_grad()
        (mse(model(inputs), targets) / 3).backward()
        if index % 3 == 2:
            optimizer.step()


def clears_at_each_epoch() -> None:
    """Clear the gradients where an epoch begins, though the last window of the one before was not stepped."""
    model = plain()
    optimizer = sgd(model)
    generator = torch.Generator().manual_seed(1)
    rows = TensorDataset(torch.randn(20, 3, generator=generator), torch.randn(20, 2, generator=generator))
    loader = DataLoader(rows, batch_size=4)
    for _ in range(3):
        optimizer.zero_grad()
        for index, (inputs, targets) in enumerate(loader):
            (mse(model(inputs), targets) / 2).backward()
            if index % 2:
                optimizer.step()
                optimizer.zero_grad()


def never_zeroes_in_a_closure() -> None:
    """Forget to clear the gradients in the closure of LBFGS, and everywhere else."""
    model = plain()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
    for inputs, targets in batches(4):

        def closure(inputs: Tensor = inputs, targets: Tensor = targets) -> float:
            loss = mse(model(inputs), targets)
            loss.backward()
            return float(loss)

        optimizer.step(closure)


def clips_a_generator_that_has_run_out() -> None:
    """Keep model.parameters() in a variable, and clip it at every step."""
    model = plain()
    optimizer, parameters = sgd(model), model.parameters()
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        clip_grad_norm_(parameters, 0.01)
        optimizer.step()


FAULTS = (
    Fault("script-hides-layers-in-a-list", "Layers in a Python list.", script=hides_layers_in_a_list),
    Fault(
        "script-freezes-what-is-to-be-trained",
        "Freezes what the optimizer holds.",
        "discuss.pytorch.org/t/84911",
        script=freezes_what_is_to_be_trained,
    ),
    Fault("script-detaches-the-encoder", "Detaches what is to be trained.", script=detaches_the_encoder),
    Fault(
        "script-clears-every-micro-batch",
        "Clears at every micro-batch.",
        "bytetriper/RAE#67",
        script=clears_every_micro_batch,
    ),
    Fault(
        "script-clears-in-the-window", "Clears at two of three micro-batches.", script=clears_in_the_middle_of_a_window
    ),
    Fault(
        "script-clears-at-each-epoch",
        "Clears a short last window.",
        "ultralytics/ultralytics#11217",
        script=clears_at_each_epoch,
    ),
    Fault("script-never-zeroes-in-a-closure", "A closure that never clears.", script=never_zeroes_in_a_closure),
    Fault(
        "script-clips-a-spent-generator",
        "Clips a generator that has run out.",
        script=clips_a_generator_that_has_run_out,
    ),
)
