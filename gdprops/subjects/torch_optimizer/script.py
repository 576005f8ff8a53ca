"""A torch optimizer's run as plain Python: each method returns the lines that do what `TorchRun` does in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from gdprops.model.case import CHANNELS_LAST, IMAGES, STRIDED, TRANSPOSED, Plan
from gdprops.model.subject import Delivery, Gradients
from gdprops.model.traits import IMPLEMENTATIONS
from gdprops.subjects import script_lines
from gdprops.subjects.torch_optimizer.tensors import LAYOUTS, listed_rows

if TYPE_CHECKING:
    from gdprops.model.arrays import Array

NAN = 'float("nan")'


@final
@dataclass(frozen=True, slots=True)
class TorchScript:
    """Writes the runs of one optimizer.

    ``has_modes``: the optimizer has ``train()`` and ``eval()``. ``draws``: its steps draw random numbers.
    """

    spec: str
    hyperparameters: Mapping[str, Any]
    has_modes: bool = False
    draws: bool = False

    def head(self) -> str:
        """Return the imports."""
        return "\n".join(["import torch", *script_lines.import_lines(self.spec)])

    def start(self, tensors: Sequence[Array], plan: Plan) -> list[str]:
        """Return the lines that build the optimizer over these tensors."""
        lines = ["torch.set_default_dtype(torch.float64)"] * plan.wide
        return [*lines, *(_parameter(i, w, plan) for i, w in enumerate(tensors)), *self._built(plan)]

    def _built(self, plan: Plan) -> list[str]:
        groups = [_listed(group) for group in plan.groups]
        own = [f", **{dict(o)!r}" if o else "" for o in plan.of_groups] or [""] * len(groups)
        one = len(groups) == 1 and not plan.of_groups
        listed = script_lines.listed([f'{{"params": {g}{o}}}' for g, o in zip(groups, own, strict=True)])
        handed = groups[0] if one else listed
        inside = script_lines.keywords({**self.hyperparameters, **plan.options})
        rates = enumerate(plan.rates or ())
        return [
            *[f"torch.manual_seed({plan.seed})"] * self.draws,
            f"optimizer = {script_lines.called(self.spec)}({handed}{inside})",
            *(f'optimizer.param_groups[{g}]["lr"] = {rate!r}' for g, rate in rates),
            *["optimizer.train()"] * self.has_modes,
        ]

    def step(self, gradients: Gradients, delivery: Delivery, plan: Plan) -> list[str]:
        """Return the lines that take one step."""
        if delivery is Delivery.SPARSE:
            return [*(f"w{i + 1}.grad = {_sparse(g)}" for i, g in enumerate(gradients)), "optimizer.step()"]
        if delivery in LAYOUTS:
            return [*self.gradients(gradients, LAYOUTS[delivery]), "optimizer.step()"]
        graph = delivery is Delivery.GRAPH
        given = ((f"w{i + 1}", g) for i, g in enumerate(gradients))
        return [
            *(_differentiated(name, g, graph=graph) if g is not None else f"{name}.grad = None" for name, g in given),
            "optimizer.step()",
        ]

    def gradients(self, gradients: Gradients, layout: str = "") -> list[str]:
        """Return the lines that put gradients into ``.grad``."""
        return [f"w{i + 1}.grad = {_given(i, g, layout)}" for i, g in enumerate(gradients)]

    def closure(self, answers: Sequence[tuple[float, Gradients]], count: int) -> list[str]:
        """Return the lines that step with a closure, which returns these answers call by call."""
        given = [f"({loss!r}, {script_lines.listed([_gradient(g) for g in gs])})" for loss, gs in answers]
        names = _listed(range(count))
        return [
            f"answers, looks = iter([{', '.join(given)}]), []",
            "def closure():",
            f"    looks.append([w.tolist() for w in {names}])",
            *["    assert torch.is_grad_enabled()  # else backward() raises"] * (not answers),
            "    loss, gradients = next(answers)",
            f"    for w, g in zip({names}, gradients):",
            "        w.grad = g",
            "    return torch.tensor(loss, dtype=torch.float64)",
            "returned = optimizer.step(closure)",
        ]

    def scale_rate(self, factor: float, rates: Sequence[float | None]) -> list[str]:
        """Return the lines that multiply the learning rate of every group."""
        return ["for group in optimizer.param_groups:", f'    group["lr"] = group["lr"] * {factor!r}']

    def resume(self, plan: Plan, count: int, *, through_file: bool, flagged: bool) -> list[str]:
        """Return the lines that load the saved state into a fresh optimizer over copies of the weights.

        ``flagged``: the implementation flags of the plan are set again after loading.
        """
        through = ["import io", "file = io.BytesIO()", "torch.save(optimizer.state_dict(), file)", "file.seek(0)"]
        read = "state = torch.load(file, weights_only=True)"
        names = ", ".join(f"w{i + 1}" for i in range(count))
        flags = {k: v for k, v in plan.options.items() if k in IMPLEMENTATIONS} if flagged else {}
        return [
            *([*through, read] if through_file else ["import copy", "state = copy.deepcopy(optimizer.state_dict())"]),
            f"{names}{',' * (count == 1)} = (",
            f"    torch.nn.Parameter(w.detach().clone(), w.requires_grad) for w in {_listed(range(count))}",
            ")",
            *self._built(plan),
            "optimizer.load_state_dict(state)",
            *([f"for group in optimizer.param_groups: group.update({flags!r})"] if flags else []),
        ]

    def place(self, weights: Sequence[Array]) -> list[str]:
        """Return the lines that overwrite all tensors."""
        return [f"w{i + 1}.data.copy_({_gradient(w)})" for i, w in enumerate(weights)]

    def spoil(self, indices: Sequence[int]) -> list[str]:
        """Return the lines that overwrite the last gradients of some tensors in place."""
        return [f"w{i + 1}.grad.detach().fill_({NAN})" for i in indices]

    def zero(self, *, set_to_none: bool | None) -> list[str]:
        """Return the line that zeroes the gradients; None leaves the argument out."""
        return [f"optimizer.zero_grad({'' if set_to_none is None else f'set_to_none={set_to_none}'})"]

    def add_group(self, indices: Sequence[int], rate: float | None) -> list[str]:
        """Return the line that adds a parameter group."""
        lr = "" if rate is None else f', "lr": {rate!r}'
        return [f'optimizer.add_param_group({{"params": {_listed(indices)}{lr}}})']

    def evaluate(self) -> list[str]:
        """Return the line that switches to evaluation mode."""
        return ["optimizer.eval()"]

    def readers(self, methods: Sequence[str]) -> list[str]:
        """Return the lines that call some of the optimizer's own methods."""
        return [f"optimizer.{name}()" for name in methods]

    def weight(self, index: int) -> str:
        """Return the expression of a tensor."""
        return f"w{index + 1}"

    def gradient(self, index: int) -> str:
        """Return the expression of a tensor's gradient after a step."""
        return f"w{index + 1}.grad"

    def addresses(self, count: int) -> str:
        """Return the expression of the tensors' places in memory."""
        return script_lines.listed([f"w{i + 1}.data_ptr()" for i in range(count)])

    def forms(self, count: int) -> str:
        """Return the expression of what identifies the parameters: that they are held, their dtypes and shapes."""
        names = _listed(range(count))
        held = "any(p is w for g in optimizer.param_groups for p in g['params'])"
        return f"[({held}, w.dtype, w.shape, w.requires_grad) for w in {names}]"

    def apart(self, shared: str) -> str:
        """Return the test that two tensors do not share memory, from a sentence of ``Run.aliases``."""
        one, _, other = shared.partition(" lies in the memory of ")
        memory = [f"{_of_state(name)}.untyped_storage().data_ptr()" for name in (one, other)]
        return " != ".join(memory)

    def dtypes(self, count: int) -> str:
        """Return the expression of the dtypes of the floating-point state of every tensor."""
        kept = "{k: v.dtype for k, v in optimizer.state[w].items() if torch.is_tensor(v) and v.is_floating_point()}"
        return f"[{kept} for w in {_listed(range(count))}]"


def _of_state(name: str) -> str:
    return f"optimizer.{name}" if name.startswith("state[") else name


def _listed(indices: Sequence[int]) -> str:
    return script_lines.listed([f"w{i + 1}" for i in indices])


def _gradient(g: Array | None) -> str:
    return "None" if g is None else f"torch.tensor({script_lines.literal(g)}, dtype=torch.{g.dtype})"


def _sparse(g: Array | None) -> str:
    if g is None or not g.ndim or not g.size:
        return _gradient(g)
    rows, values = listed_rows(g)
    return f"torch.sparse_coo_tensor([{rows}], {_gradient(values)}, {g.shape})"


def _differentiated(name: str, g: Array, *, graph: bool) -> str:
    values = f"torch.tensor({script_lines.literal(g)}, dtype={name}.dtype)"
    if graph:
        summed = f"({name} * {values} + 0 * {name} * {name}).sum()"
        return f"({name}.grad,) = torch.autograd.grad({summed}, {name}, create_graph=True)"
    return f"{name}.grad = None; ({name} * {values}).sum().backward()"


def _parameter(index: int, w: Array, plan: Plan) -> str:
    dense = TRANSPOSED if w.ndim > 1 and not w.flags.c_contiguous else ""
    frozen = index in plan.frozen
    tensor = _laid(
        f"torch.tensor({script_lines.literal(w)}, dtype=torch.{plan.dtype or w.dtype})", w.ndim, plan.layout or dense
    )
    copied = ".clone()" * bool(plan.options.get("differentiable") and not frozen)
    return f"w{index + 1} = torch.nn.Parameter({tensor}{', requires_grad=False' * frozen}){copied}"


def _given(index: int, g: Array | None, layout: str) -> str:
    if g is None:
        return "None"
    return _laid(f"torch.tensor({script_lines.literal(g)}, dtype=w{index + 1}.dtype)", g.ndim, layout)


def _laid(tensor: str, dimensions: int, layout: str) -> str:
    """Return the code of a contiguous tensor, changed so that it lies in memory in the given layout."""
    if layout == STRIDED:
        return f"torch.nn.functional.pad({tensor}.unsqueeze(-1), (0, 1), value={NAN})[..., 0]"
    if layout == CHANNELS_LAST and dimensions == IMAGES:
        return f"{tensor}.contiguous(memory_format=torch.channels_last)"
    if layout == TRANSPOSED and dimensions > 1:
        back = list(reversed(range(dimensions)))
        way = ".mT.contiguous().mT" if dimensions == 2 else f".permute({back}).contiguous().permute({back})"
        return f"{tensor}{way}"
    return tensor
