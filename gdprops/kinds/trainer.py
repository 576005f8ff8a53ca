"""The kinds of trainers: ``--as lightning`` and others. The real trainer drives the user's module.

Their subjects are training steps: the clauses, the explanations and the reports are those of training steps.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, final

from gdprops.errors import UsageError
from gdprops.kinds.training_step import TrainingStepKind
from gdprops.subjects.user_code.importing import label_of

if TYPE_CHECKING:
    from gdprops.kinds.kind import Asked
    from gdprops.model.clause import Clause
    from gdprops.model.domain import Domain
    from gdprops.model.evidence import Evidence
    from gdprops.subjects.script_lines import Written
    from gdprops.subjects.training_step.subject import TrainingStep


class TrainerKind(TrainingStepKind):
    """Steps that a trainer drives. ``library``: the module that its file imports, where that has another name."""

    library = ""

    @abstractmethod
    def driven(self) -> Callable[..., TrainingStep]:
        """Return the function that makes a training step of what the user names; its file imports the library."""

    def make(self, found: Any, asked: Asked) -> TrainingStep:
        """Return what the user names as a training step.

        Raises `UsageError` where a rule is declared: the trainer's own optimizer makes the expected update.
        """
        if asked.rule is not None:
            raise UsageError(f"--rule {asked.rule}: a trainer's update is that of the optimizer that it makes")
        return self.driven()(found, asked.given, name=label_of(asked.spec, asked.given), spec=asked.spec)

    def load(self) -> None:
        """Import the trainer's library, which takes seconds; where it is missing, the user's import tells."""
        with suppress(ImportError):
            import_module(self.library or self.name)

    def spec(self, subject: TrainingStep) -> str:
        """Return the subject string of the module, as it was typed."""
        return subject.declaration.spec

    def given(self, subject: TrainingStep) -> Mapping[str, Any]:
        """Return what ``-p`` states."""
        return subject.hyperparameters

    def unmet(self, subject: TrainingStep, domain: Domain, clause: Clause) -> str | None:
        """Return why a clause does not apply: a trainer saves more than the state_dicts of what it trains."""
        if clause.id.startswith("clock.resume"):
            return "the trainer saves and resumes by itself: its own checkpoints are not judged"
        return super().unmet(subject, domain, clause)

    def scripts(
        self, subject: TrainingStep, case: Any, evidence: Evidence, arrays: str | None
    ) -> Iterable[Written] | None:
        """Return no script: the trainer's own loop is what runs, and the replay runs it."""
        return ()


@final
class LightningKind(TrainerKind):
    """LightningModules, driven by Lightning's Trainer."""

    name = "lightning"
    option = "--as lightning"

    def driven(self) -> Callable[..., TrainingStep]:
        """Return what makes a training step of a LightningModule."""
        from gdprops.subjects.trainers.lightning import lightning_step

        return lightning_step


@final
class TransformersKind(TrainerKind):
    """Models, driven by the Trainer of transformers."""

    name = "transformers"
    option = "--as transformers"

    def driven(self) -> Callable[..., TrainingStep]:
        """Return what makes a training step of a Trainer or its model."""
        from gdprops.subjects.trainers.transformers import transformers_step

        return transformers_step


@final
class AccelerateKind(TrainerKind):
    """Functions with a loop of their own, on an Accelerator."""

    name = "accelerate"
    option = "--as accelerate"

    def driven(self) -> Callable[..., TrainingStep]:
        """Return what makes a training step of a function of an Accelerator."""
        from gdprops.subjects.trainers.accelerate import accelerate_step

        return accelerate_step


@final
class SklearnKind(TrainerKind):
    """Estimators of scikit-learn, by their ``partial_fit``."""

    name = "sklearn"
    option = "--as sklearn"

    def driven(self) -> Callable[..., TrainingStep]:
        """Return what makes a training step of the ``partial_fit`` of an estimator."""
        from gdprops.subjects.trainers.sklearn import sklearn_step

        return sklearn_step


@final
class FabricKind(TrainerKind):
    """Functions with a loop of their own, on Lightning Fabric."""

    name = "fabric"
    option = "--as fabric"
    library = "lightning.fabric"

    def driven(self) -> Callable[..., TrainingStep]:
        """Return what makes a training step of a function of a Fabric."""
        from gdprops.subjects.trainers.fabric import fabric_step

        return fabric_step


@final
class IgniteKind(TrainerKind):
    """Engines of PyTorch-Ignite."""

    name = "ignite"
    option = "--as ignite"

    def driven(self) -> Callable[..., TrainingStep]:
        """Return what makes a training step of an engine."""
        from gdprops.subjects.trainers.ignite import ignite_step

        return ignite_step


@final
class SkorchKind(TrainerKind):
    """Nets of skorch, by their ``partial_fit``."""

    name = "skorch"
    option = "--as skorch"

    def driven(self) -> Callable[..., TrainingStep]:
        """Return what makes a training step of a NeuralNet."""
        from gdprops.subjects.trainers.skorch import skorch_step

        return skorch_step


@final
class KerasKind(TrainerKind):
    """Compiled models of Keras on torch, by their ``train_on_batch`` or ``fit``."""

    name = "keras"
    option = "--as keras"

    def load(self) -> None:
        """Import Keras, on torch where nothing else is asked for: importing it fixes what it runs on."""
        os.environ.setdefault("KERAS_BACKEND", "torch")
        super().load()

    def driven(self) -> Callable[..., TrainingStep]:
        """Return what makes a training step of a compiled model of Keras."""
        from gdprops.subjects.trainers.keras import keras_step

        return keras_step


TRAINERS = (
    LightningKind(),
    TransformersKind(),
    AccelerateKind(),
    FabricKind(),
    IgniteKind(),
    SkorchKind(),
    KerasKind(),
    SklearnKind(),
)
"""The kinds of trainers, in the order in which ``--as`` lists them."""
