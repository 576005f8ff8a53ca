"""A compiled model of Keras on torch: ``gdprops check train.py:model --as keras --batches train.py:batch``.

The subject is a function that makes a compiled ``keras.Model``. Every example makes a fresh one, whose
``train_on_batch`` (with ``-p by=fit`` its ``fit``, an epoch of one batch) is handed one batch after the other. Its
variables are copied into a module of torch after every call. J is what the model's own ``compute_loss`` computes, with
the numbers of a module of ours in the place of its variables; the update is that of its own optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from gdprops.errors import UsageError, text_of
from gdprops.model.wording import type_of
from gdprops.subjects.trainers.batches import Batches, function_of
from gdprops.subjects.trainers.step import Defaults, own_parameters, sorted_arguments, trained
from gdprops.subjects.training_step.returned import Driven
from gdprops.subjects.training_step.structures import rows_in
from gdprops.subjects.user_code.framework_names import require_installed
from gdprops.subjects.user_code.isolation import isolated

if TYPE_CHECKING:
    from gdprops.subjects.training_step.subject import TrainingStep

NAME = "keras"
"""The name of this kind of subject, for ``--as`` and in reports."""
EXTRA = "keras-torch"
"""The extra that installs it."""
BACKEND = (
    "Keras runs on {}; gdprops follows it on torch alone: set KERAS_BACKEND=torch before anything imports keras, and "
    "leave other backends out of the file"
)
TRAIN_ON_BATCH, FIT = "train_on_batch", "fit"


def keras_step(found: Any, given: Mapping[str, Any], *, name: str, spec: str) -> TrainingStep:
    """Return a compiled model of Keras, by a function that makes one, as a training step.

    ``given``: arguments of the function, ``batches``, a function ``(index) -> (x, y)``, and ``by``, the method that
    drives. Raises `UsageError` in one line for anything that cannot be used.
    """
    require_installed("keras", EXTRA)
    import keras

    if keras.backend.backend() != "torch":
        raise UsageError(BACKEND.format(keras.backend.backend()))
    if not callable(found):
        raise UsageError(f"{spec} is {type_of(found)}; expected a function that makes a compiled keras.Model")
    asked = sorted_arguments(
        given,
        trainer={},
        module=own_parameters(found),
        others=("batches", "by"),
        set_by_gdprops=(),
        called=f"--as {NAME} {spec}",
    )
    by = asked.others.get("by", TRAIN_ON_BATCH)
    if by not in (TRAIN_ON_BATCH, FIT):
        raise UsageError(f"by={by!r}; expected {TRAIN_ON_BATCH!r} or {FIT!r}")
    if "batches" not in asked.others:
        raise UsageError(f"{name} needs --batches, a function (index) -> (x, y)")
    batches = Batches(function_of(asked.others["batches"]))
    makes = _Makes(found, asked.of_module, batches, spec)
    with isolated():
        defaults = _read(makes, by)
    return trained(
        NAME,
        _Build(makes, by),
        models=makes.module,
        batches=batches,
        objective=makes.objective,
        defaults=defaults,
        made_from={"model": found, "arguments": dict(given)},
        declared=asked.of_step,
        given=given,
        name=name,
        spec=spec,
    )


@contextmanager
def _in_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Let Keras make and compute numbers of one precision for a while."""
    import keras

    held = keras.config.floatx()
    keras.config.set_floatx("float64" if dtype == torch.float64 else "float32")
    try:
        yield
    finally:
        keras.config.set_floatx(held)


@final
class _Makes:
    """Makes fresh models, and computes their losses with the numbers of a module in the place of their variables."""

    def __init__(self, found: Callable[..., Any], arguments: Mapping[str, Any], batches: Batches, spec: str) -> None:
        self._found, self._arguments, self.batches, self._spec = found, arguments, batches, spec
        self._idle = dict[torch.dtype, Any]()

    def model(self, dtype: torch.dtype = torch.float32) -> Any:
        """Return a fresh model that has its variables. Raises `UsageError` for what is none."""
        import keras

        with _in_dtype(dtype):
            keras.utils.clear_session(free_memory=False)  # names are counted from the start again
            try:
                made = self._found(**self._arguments)
            except Exception as error:
                raise UsageError(f"{self._spec} raised {type(error).__name__}: {text_of(error)}") from error
            if not isinstance(made, keras.Model) or getattr(made, "optimizer", None) is None:
                what = "a model that is not compiled" if isinstance(made, keras.Model) else type_of(made)
                raise UsageError(f"{self._spec} makes {what}; expected a compiled keras.Model")
            if not made.built:
                inputs, _ = self.batches(0)
                made(inputs.to(dtype) if isinstance(inputs, Tensor) and inputs.is_floating_point() else inputs)
            if not made.optimizer.built:
                made.optimizer.build(made.trainable_variables)
        return made

    def module(self) -> nn.Module:
        """Return a module with the numbers of a fresh model: what it trains as parameters, all else as buffers."""
        made, found = self.model(), Numbers()
        for name, variable, trains in variables_of(made):
            path, own = name.rpartition(".")[::2]
            holder: nn.Module = found
            for part in filter(None, path.split(".")):
                if part not in holder._modules:
                    holder.add_module(part, nn.Module())
                holder = holder.get_submodule(part)
            value = variable.value.detach().clone()
            if trains:
                holder.register_parameter(own, nn.Parameter(value))
            else:
                holder.register_buffer(own, value)
        return found

    def objective(self, module: nn.Module, inputs: Any, targets: Any) -> Any:
        """Return the loss that ``compute_loss`` computes of a batch, with a module's numbers."""
        import keras

        dtype = next(module.parameters()).dtype
        if dtype not in self._idle:
            self._idle[dtype] = self.model(dtype)
        made, held = self._idle[dtype], dict((*module.named_parameters(), *module.named_buffers()))
        mapping = [(variable, held[name]) for name, variable, _ in variables_of(made)]
        with _in_dtype(dtype), keras.StatelessScope(state_mapping=mapping):
            more = {"training": True} if made._call_has_training_arg else {}
            outputs = made(inputs, **more)
            return made._compute_loss(x=inputs, y=targets, y_pred=outputs, sample_weight=None, training=True)


@final
class Numbers(nn.Module):
    """The numbers of a model of Keras. Its forward pass computes nothing: it shows where that of the model begins."""

    def forward(self, inputs: Any) -> None:
        """Return nothing."""


def variables_of(made: Any) -> Iterator[tuple[str, Any, bool]]:
    """Yield a model's variables by name, those that it trains first: the name, the variable, whether it is trained."""
    for trains, variables in ((True, made.trainable_variables), (False, made.non_trainable_variables)):
        for variable in variables:
            parts = variable.path.replace(".", "_").split("/")
            yield ".".join(parts[1:] if len(parts) > 2 else parts), variable, trains


@final
class KerasRule(torch.optim.Optimizer):
    """The optimizer of a Keras model as one of torch: it moves parameters of torch as ``apply`` moves variables.

    What the optimizer remembers stands in the state of the first parameter. Without gradients a step moves nothing.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], made: Any) -> None:
        held = {id(variable) for variable in made.optimizer._trainable_variables}
        pairs = [(parameters[name], variable) for name, variable, trains in variables_of(made) if id(variable) in held]
        super().__init__([p for p, _ in pairs], {"lr": rate_of(made)})
        self._keras, self._variables = made.optimizer, [variable for _, variable in pairs]
        self._remember()

    @torch.no_grad()
    def _remember(self) -> None:
        """Copy what the optimizer of Keras remembers now."""
        first = self.param_groups[0]["params"][0]
        self.state[first] = {f"{k}": v.value.detach().clone() for k, v in enumerate(self._keras.variables)}

    @contextmanager
    def _unclipped(self) -> Iterator[None]:
        """Let the optimizer not clip for a while: the gradients that gdprops hands over are clipped already."""
        held = self._keras.global_clipnorm, self._keras.clipvalue
        self._keras.global_clipnorm = self._keras.clipvalue = None
        try:
            yield
        finally:
            self._keras.global_clipnorm, self._keras.clipvalue = held

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override] # it returns no loss
        """Move every parameter that has a gradient."""
        parameters = self.param_groups[0]["params"]
        if all(p.grad is None for p in parameters):
            return
        for variable, p in zip(self._variables, parameters, strict=True):
            variable.assign(p)
        for variable, kept in zip(self._keras.variables, self.state[parameters[0]].values(), strict=True):
            variable.assign(kept)
        with self._unclipped():
            self._keras.apply([p.grad for p in parameters], self._variables)
        for variable, p in zip(self._variables, parameters, strict=True):
            p.copy_(variable.value)
        self._remember()


def _show_forward_pass(made: Any, module: nn.Module) -> None:
    """Let the module's forward pass show where each ``train_step`` of a model begins, whatever was drawn before it."""
    own = made.train_step

    def train_step(data: Any) -> Any:
        module(data[0])
        return own(data)

    object.__setattr__(made, "train_step", train_step)


def rate_of(made: Any) -> float:
    """Return the learning rate that is in force."""
    import keras

    return float(keras.ops.convert_to_numpy(made.optimizer.learning_rate))


@final
class _Build:
    """``build(module, objective)``: a fresh model with the module's numbers, and its optimizer."""

    def __init__(self, makes: _Makes, by: str) -> None:
        self._makes, self._by = makes, by

    def __call__(self, module: nn.Module, _objective: Any) -> Driven:
        dtype = next(module.parameters()).dtype
        made, held = self._makes.model(dtype), dict((*module.named_parameters(), *module.named_buffers()))
        with torch.no_grad():
            for name, variable, _ in variables_of(made):
                variable.assign(held[name])
        rule = KerasRule(dict(module.named_parameters()), made)
        _show_forward_pass(made, module)
        hand = self._driven(made)

        def step(inputs: Any, targets: Any) -> None:
            rule.param_groups[0]["lr"] = rate_of(made)
            with _in_dtype(dtype):
                hand(inputs, targets)
            with torch.no_grad():
                for name, variable, _ in variables_of(made):
                    held[name].copy_(variable.value)
            rule.step()  # no parameter of the module has a gradient: it says which rate was in force
            rule._remember()

        return Driven(step, rule)

    def _driven(self, made: Any) -> Callable[[Any, Any], Any]:
        if self._by == TRAIN_ON_BATCH:
            return made.train_on_batch  # type: ignore[no-any-return] # Keras has no types
        return lambda inputs, targets: made.fit(
            inputs, targets, batch_size=rows_in((inputs,)), epochs=1, shuffle=False, verbose=0
        )


def _read(makes: _Makes, by: str) -> Defaults:
    """Return what the optimizer of a model does to the step, and all of it in sentences."""
    import keras

    optimizer = makes.model().optimizer
    told = [f"keras: {by} drives on the CPU, on torch, and the model's {type(optimizer).__name__} makes the update"]
    most, by_value, rate = optimizer.global_clipnorm, optimizer.clipvalue, optimizer._learning_rate
    if most is not None:
        told.append(f"global_clipnorm={most:g}: gradients are clipped to this norm")
    if by_value is not None:
        told.append(f"clipvalue={by_value:g}: gradients are clipped by value")
    if optimizer.gradient_accumulation_steps:
        told.append(f"gradient_accumulation_steps={optimizer.gradient_accumulation_steps}: the optimizer's own windows")
    schedule = None
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule) and not optimizer.gradient_accumulation_steps:
        told.append(f"{type(rate).__name__} is read once per update")

        def schedule(t: int) -> float:
            return float(keras.ops.convert_to_numpy(rate(t)))

    return Defaults(1, most, by_value, None, schedule, told=tuple(told))
