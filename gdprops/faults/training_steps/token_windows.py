"""Windows of losses per token: a wrong way to weigh micro-batches, and the right one beside it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gdprops.faults.training_steps.named_steps import correct_step, faulty_step
from gdprops.faults.training_steps.usual_loop_faults import Step, sgd

PADDING = -100
"""The target of a token that does not count."""
WINDOW = 2
Built = tuple[Step, torch.optim.Optimizer]


def sentences(index: int) -> tuple[Tensor, Tensor]:
    """Return two sentences of tokens and the class of each token; batches are of different lengths."""
    generator, length = torch.Generator().manual_seed(index), 2 + index % 3
    tokens = torch.randn(2, length, 3, generator=generator)
    classes = torch.randint(3, (2, length), generator=generator)
    classes[1, 1 + index % 2 :] = PADDING
    return tokens, classes


def per_token(outputs: Tensor, classes: Tensor) -> Tensor:
    """Return the mean of the losses of all tokens that count."""
    return nn.functional.cross_entropy(outputs.flatten(0, 1), classes.flatten(), ignore_index=PADDING)


def tokens_in(_tokens: Tensor, classes: Tensor) -> int:
    """Return how many tokens of a micro-batch count."""
    return int((classes != PADDING).sum())


def tagger() -> nn.Module:
    """Return a model that gives each token three scores."""
    return nn.Linear(3, 3)


def means_of_token_means(model: nn.Module, loss_fn: Any) -> Built:
    """Every micro-batch's mean over its tokens counts alike, however many tokens it has."""
    optimizer, taken = sgd(model), 0

    def step(tokens: Tensor, classes: Tensor) -> None:
        nonlocal taken
        taken += 1
        (loss_fn(model(tokens), classes) / WINDOW).backward()
        if taken % WINDOW == 0:
            optimizer.step()
            optimizer.zero_grad()

    return step, optimizer


def divides_by_the_tokens_of_the_window(model: nn.Module, loss_fn: Any) -> Built:
    """Losses are sums over tokens; their gradient is divided by all tokens of the window before the update."""
    optimizer, taken, tokens_seen = sgd(model), 0, 0

    def step(tokens: Tensor, classes: Tensor) -> None:
        nonlocal taken, tokens_seen
        taken, count = taken + 1, tokens_in(tokens, classes)
        (count * loss_fn(model(tokens), classes)).backward()
        tokens_seen += count
        if taken % WINDOW == 0:
            for p in model.parameters():
                p.grad = None if p.grad is None else p.grad / tokens_seen
            optimizer.step()
            optimizer.zero_grad()
            tokens_seen = 0

    return step, optimizer


TAGGING: dict[str, Any] = {"models": tagger, "batches": sentences, "loss": per_token}
DECLARED: dict[str, Any] = {**TAGGING, "accumulate": WINDOW, "counts": tokens_in}
FAULTS = (
    faulty_step(
        means_of_token_means,
        "The mean of the micro-batches' means over tokens, which are not equally many.",
        source="huggingface/transformers#34191, unslothai/unsloth#1146",
        **DECLARED,
    ),
)
TWINS = (correct_step(divides_by_the_tokens_of_the_window, **DECLARED),)
