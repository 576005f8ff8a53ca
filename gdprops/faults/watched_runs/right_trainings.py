"""Right watched scripts, written as the well-known examples write them: no clause may accuse or remark on any."""

from __future__ import annotations

import math
from itertools import cycle
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name
from torch.utils.checkpoint import checkpoint

from gdprops.faults.fault import Twin
from gdprops.faults.watched_runs.materials import batches, mse, network, plain, sgd


def usual_loop() -> None:
    """Zero, look, step."""
    model = network()
    optimizer = sgd(model, momentum=0.9)
    for inputs, targets in batches():
        optimizer.zero_grad()
        mse(model(inputs), targets).backward()
        optimizer.step()


def zeroes_in_place() -> None:
    """Fill the gradients with zeros after the step."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for inputs, targets in batches():
        mse(model(inputs), targets).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)


def zeroes_by_data() -> None:
    """Zero as it was written ten years ago."""
    model = plain()
    optimizer = sgd(model)
    for inputs, targets in batches():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter.grad.data.zero_()
        mse(model(inputs), targets).backward()
        optimizer.step()


def image_classifier() -> None:
    """Train a small convolutional network on images, with dropout and a schedule per epoch, testing after each."""
    torch.manual_seed(0)
    features = [nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25), nn.Flatten()]
    model = nn.Sequential(*features, nn.Linear(4 * 3 * 3, 10), nn.LogSoftmax(dim=1))
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    for _ in range(3):
        model.train()
        for _ in range(3):
            images, digits = torch.randn(5, 1, 8, 8), torch.randint(0, 10, (5,))
            optimizer.zero_grad()
            F.nll_loss(model(images), digits).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            model(torch.randn(5, 1, 8, 8))
        scheduler.step()


class Autoencoder(nn.Module):
    """A variational autoencoder on vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.encode, self.mean, self.spread = nn.Linear(6, 4), nn.Linear(4, 2), nn.Linear(4, 2)
        self.decode = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 6))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the reconstruction, the means and the logarithms of the variances."""
        hidden = F.relu(self.encode(inputs))
        mean, spread = self.mean(hidden), self.spread(hidden)
        return self.decode(mean + torch.exp(0.5 * spread) * torch.randn_like(spread)), mean, spread


def variational_autoencoder() -> None:
    """Train a variational autoencoder with a summed loss."""
    torch.manual_seed(0)
    model = Autoencoder()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(8):
        inputs = torch.rand(5, 6)
        optimizer.zero_grad()
        seen, mean, spread = model(inputs)
        loss = F.binary_cross_entropy_with_logits(seen, inputs, reduction="sum")
        loss = loss - 0.5 * torch.sum(1 + spread - mean.pow(2) - spread.exp())
        loss.backward()
        optimizer.step()


def gan() -> None:
    """Train a GAN as the official example does: the generator's loss leaves gradients that nobody uses."""
    torch.manual_seed(0)
    generator = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    discriminator = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1))
    judges = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    makes = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    loss = nn.BCEWithLogitsLoss()
    for noise, real in batches():
        discriminator.zero_grad()
        loss(discriminator(real), torch.ones(6, 1)).backward()
        fake = generator(noise)
        loss(discriminator(fake.detach()), torch.zeros(6, 1)).backward()
        judges.step()
        generator.zero_grad()
        loss(discriminator(fake), torch.ones(6, 1)).backward()
        makes.step()


def wasserstein_gan() -> None:
    """Clamp the critic's weights after each of its steps, and step the generator at every third batch."""
    torch.manual_seed(0)
    generator, critic = plain(), nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 1))
    judges, makes = (
        torch.optim.RMSprop(critic.parameters(), lr=1e-3),
        torch.optim.RMSprop(generator.parameters(), lr=1e-3),
    )
    for index, (noise, real) in enumerate(batches(9)):
        judges.zero_grad()
        (critic(generator(noise).detach()) - critic(real)).mean().backward()
        judges.step()
        for weight in critic.parameters():
            weight.data.clamp_(-0.1, 0.1)
        if index % 3 == 2:
            makes.zero_grad()
            (-critic(generator(noise))).mean().backward()
            makes.step()


def gradient_penalty() -> None:
    """Penalize the norm of the critic's gradient in its input."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)
    for _, real in batches():
        mixed = real.clone().requires_grad_()
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        optimizer.zero_grad()
        (critic(real).mean() + 10 * (slope.norm(dim=1) - 1).square().mean()).backward()
        optimizer.step()


def actor_critic() -> None:
    """Train a policy with two heads on one episode after another, from losses that are summed up."""
    torch.manual_seed(0)
    body, policy, value = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 1)
    parts = nn.ModuleList([body, policy, value])
    optimizer = torch.optim.Adam(parts.parameters(), lr=3e-2)
    for episode in range(6):
        losses = []
        for _ in range(2 + episode % 3):
            hidden = F.relu(body(torch.randn(1, 3)))
            actions = torch.distributions.Categorical(logits=policy(hidden))
            action = actions.sample()
            gain = torch.randn(()) - value(hidden).squeeze()
            losses.append(-actions.log_prob(action).sum() * gain.detach() + gain.square())
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()


def actor_and_critic_apart() -> None:
    """Train an actor through its critic, and the critic on its own loss, each zeroed before its backward pass."""
    torch.manual_seed(0)
    actor, critic, target = plain(), nn.Linear(5, 1), nn.Linear(5, 1)
    target.load_state_dict(critic.state_dict())
    acts, values = torch.optim.Adam(actor.parameters(), lr=1e-3), torch.optim.Adam(critic.parameters(), lr=1e-3)
    for states, actions in batches():
        with torch.no_grad():
            wanted = target(torch.cat([states, actor(states)], 1))
        values.zero_grad()
        mse(critic(torch.cat([states, actions], 1)), wanted).backward()
        values.step()
        acts.zero_grad()
        (-critic(torch.cat([states, actor(states)], 1)).mean()).backward()
        acts.step()
        for slow, fast in zip(target.parameters(), critic.parameters(), strict=True):
            slow.data.lerp_(fast.data, 0.05)


def sine_with_lbfgs() -> None:
    """Predict a sine wave with a recurrent network and LBFGS, whose closure looks several times."""
    torch.manual_seed(0)
    cell, out = nn.LSTMCell(1, 4), nn.Linear(4, 1)
    model = nn.ModuleList([cell, out])
    wave = torch.sin(torch.arange(12.0)).repeat(3, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.8, max_iter=4)

    def closure() -> Tensor:
        optimizer.zero_grad()
        state, seen = (torch.zeros(3, 4), torch.zeros(3, 4)), []
        for column in wave[:, :-1].split(1, dim=1):
            state = cell(column, state)
            seen.append(out(state[0]))
        loss = mse(torch.cat(seen, dim=1), wave[:, 1:])
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)


class LanguageModel(nn.Module):
    """A word language model with tied weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cell, self.out = nn.Embedding(9, 4), nn.LSTM(4, 4, dropout=0.0), nn.Linear(4, 9)
        self.out.weight = self.embed.weight

    def forward(self, words: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the logits of the next words, and the state."""
        seen, state = self.cell(self.embed(words), state)
        return self.out(seen), state


def word_language_model() -> None:
    """Train with truncated backpropagation through time, clipping, and tied weights; update by hand with a rate."""
    torch.manual_seed(0)
    model, state = LanguageModel(), (torch.zeros(1, 3, 4), torch.zeros(1, 3, 4))
    optimizer = sgd(model, lr=1.0)
    for _ in range(8):
        words = torch.randint(0, 9, (6, 3))
        optimizer.zero_grad()
        logits, state = model(words[:-1], state)
        F.cross_entropy(logits.flatten(0, 1), words[1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        optimizer.step()
        state = (state[0].detach(), state[1].detach())


def checkpointed_transformer() -> None:
    """Train a transformer layer whose inside is computed again in the backward pass."""
    torch.manual_seed(0)
    layer, head = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), nn.Linear(4, 2)
    model = nn.ModuleDict({"layer": layer, "head": head})
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(8):
        tokens = torch.randn(2, 3, 4)
        optimizer.zero_grad(set_to_none=True)
        hidden: Any = checkpoint(layer, tokens, use_reentrant=False)
        head(hidden).square().mean().backward()
        optimizer.step()


def language_model_with_warm_up() -> None:
    """Train as small GPT trainers do: decay groups, accumulation, warm-up from 0 by setting the rate, clipping."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(9, 4), nn.LayerNorm(4), nn.Linear(4, 9))
    decayed, others = [p for p in model.parameters() if p.dim() > 1], [p for p in model.parameters() if p.dim() < 2]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}])
    for step in range(8):
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * step / 4
        for _ in range(2):
            tokens = torch.randint(0, 9, (3, 5))
            logits = model(tokens[:, :-1])
            (F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()) / 2).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def siamese() -> None:
    """Train one network on pairs of inputs."""
    model = network()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    for (first, _), (second, _) in zip(batches(), reversed(batches()), strict=True):
        optimizer.zero_grad()
        near = F.cosine_similarity(model(first), model(second))
        F.binary_cross_entropy_with_logits(near, torch.ones(6)).backward()
        optimizer.step()


def super_resolution() -> None:
    """Train an upscaling network against a frozen network's features."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.PixelShuffle(2))
    judge = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU()).eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(6):
        small, large = torch.randn(2, 1, 4, 4), torch.randn(2, 1, 8, 8)
        optimizer.zero_grad()
        made = model(small)
        (mse(made, large) + 0.1 * mse(judge(made), judge(large).detach())).backward()
        optimizer.step()


def graph_convolution() -> None:
    """Train a graph network on its whole graph, evaluating after each step."""
    torch.manual_seed(0)
    adjacency, features = torch.softmax(torch.randn(6, 6), 1), torch.randn(6, 3)
    first, second = nn.Linear(3, 4), nn.Linear(4, 2)
    model = nn.ModuleList([first, second, nn.Dropout(0.5)])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    for _ in range(6):
        model.train()
        optimizer.zero_grad()
        hidden = F.dropout(F.relu(adjacency @ first(features)), 0.5)
        F.cross_entropy((adjacency @ second(hidden))[:4], torch.tensor([0, 1, 0, 1])).backward()
        optimizer.step()
        model.eval()
        with torch.no_grad():
            second(F.relu(first(features)))


def residual_network_with_one_cycle() -> None:
    """Train a residual block with momentum, a rate that changes at every step, and an epoch's short last batch."""
    torch.manual_seed(0)
    block, head = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.ReLU()), nn.Linear(3, 2)
    model = nn.ModuleList([block, head])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=12)
    for rows, (inputs, targets) in zip(cycle([6, 6, 2]), batches(9), strict=False):
        hidden = inputs[:rows] + block(inputs[:rows])
        optimizer.zero_grad()
        mse(head(hidden), targets[:rows]).backward()
        optimizer.step()
        scheduler.step()


def maml() -> None:
    """Differentiate through an inner step, with functional calls."""
    model = plain()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for inputs, targets in batches():
        weights: dict[str, Tensor] = dict(model.named_parameters())
        loss = mse(torch.func.functional_call(model, weights, (inputs[:3],)), targets[:3])
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        fast = {name: w - 0.1 * g for (name, w), g in zip(weights.items(), slopes, strict=True)}
        optimizer.zero_grad()
        mse(torch.func.functional_call(model, fast, (inputs[3:],)), targets[3:]).backward()
        optimizer.step()


def diffusion() -> None:
    """Predict noise, with an average of the weights that is kept beside the model."""
    model = plain()
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for inputs, targets in batches():
        level = torch.rand(6, 1)
        noisy = math.sqrt(0.5) * inputs + level * torch.randn_like(inputs)
        optimizer.zero_grad()
        mse(model(noisy), targets).backward()
        optimizer.step()
        average.update_parameters(model)


TWINS = tuple(
    Twin(f"script-{script.__name__.replace('_', '-')}", script=script)
    for script in (
        *(usual_loop, zeroes_in_place, zeroes_by_data, image_classifier, variational_autoencoder, gan, wasserstein_gan),
        *(gradient_penalty, actor_critic, actor_and_critic_apart, sine_with_lbfgs, word_language_model),
        *(checkpointed_transformer, language_model_with_warm_up, siamese, super_resolution, graph_convolution),
        *(residual_network_with_one_cycle, maml, diffusion),
    )
)
