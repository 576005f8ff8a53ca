"""The trainers with their defaults are watched while they train: there is nothing to tell."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import gdprops

needs_lightning = pytest.mark.skipif(find_spec("lightning") is None, reason="lightning is an extra (tox -e lightning)")
needs_accelerate = pytest.mark.skipif(find_spec("accelerate") is None, reason="an extra (tox -e accelerate)")
needs_transformers = pytest.mark.skipif(find_spec("transformers") is None, reason="an extra (tox -e transformers)")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the trainers


def loader() -> Any:
    return DataLoader(TensorDataset(torch.randn(20, 3), torch.randn(20, 2)), batch_size=4)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.1), nn.ReLU(), nn.Linear(4, 2))


@needs_lightning
@pytest.mark.parametrize("settings", [{}, {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5}])
def test_lightning(settings: dict[str, Any]) -> None:
    import lightning.pytorch as pl

    class Module(pl.LightningModule):  # type: ignore[misc] # an extra, untyped here
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def training_step(self, batch: Any, index: int) -> Any:
            return nn.functional.mse_loss(self.net(batch[0]), batch[1])

        def validation_step(self, batch: Any, index: int) -> None:
            self.net(batch[0])

        def configure_optimizers(self) -> Any:
            optimizer = torch.optim.Adam(self.parameters())
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_epochs=2, accelerator="cpu", enable_model_summary=False, **quiet, **settings)
    with gdprops.watch() as live:
        trainer.fit(Module(), loader(), loader())
    assert live.steps >= 6
    assert not live.findings


@needs_accelerate
def test_accelerate() -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(gradient_accumulation_steps=2, cpu=True)
    model, batches = network(), loader()
    optimizer = torch.optim.AdamW(model.parameters())
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer)
    model, optimizer, batches, scheduler = accelerator.prepare(model, optimizer, batches, scheduler)
    with gdprops.watch() as live:
        for _ in range(2):
            for inputs, targets in batches:
                with accelerator.accumulate(model):
                    accelerator.backward(nn.functional.mse_loss(model(inputs), targets))
                    if accelerator.sync_gradients:
                        accelerator.clip_grad_norm_(model.parameters(), 1.0)
                    optimizer.step()
                    scheduler.step()
                    optimizer.zero_grad()
    assert live.steps == 6
    assert not live.findings


@needs_transformers
def test_transformers(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    model = GPT2LMHeadModel(GPT2Config(vocab_size=17, n_positions=8, n_embd=8, n_layer=1, n_head=2))
    rows = [{"input_ids": (tokens := torch.randint(0, 17, (6,))), "labels": tokens} for _ in range(8)]
    quiet: dict[str, Any] = {"report_to": [], "disable_tqdm": True, "save_strategy": "no", "use_cpu": True}
    settings = TrainingArguments(str(tmp_path), num_train_epochs=1, per_device_train_batch_size=2, **quiet)
    with gdprops.watch() as live:
        Trainer(model, settings, train_dataset=rows).train()
    assert live.steps == 4
    assert not live.findings
