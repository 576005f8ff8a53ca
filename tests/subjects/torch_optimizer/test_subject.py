"""A torch optimizer as a subject: built afresh, fed as told, and nothing of the user's touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gdprops.errors import SubjectCrash, Unsupported, UsageError
from gdprops.model.arrays import Array
from gdprops.model.case import Plan
from gdprops.model.subject import Delivery
from gdprops.model.traits import Traits
from gdprops.subjects.torch_optimizer.run import TorchRun
from gdprops.subjects.torch_optimizer.subject import TorchOptimizer, optimizer
from gdprops.subjects.user_code.calling import Calls
from tests.subjects import odd_optimizers

ONE = Plan(((0, 1, 2),))
SPLIT = Plan(((2, 0), (1,)), (0.5, 0.25))


def tensors(dtype: type = np.float64) -> list[Array]:
    return [np.ones((2, 3), dtype), np.full((2,), 2.0, dtype), np.array(4.0, dtype)]


def gradients(dtype: type = np.float64) -> list[Array]:
    return [np.full((2, 3), 0.5, dtype), np.array([1.0, -1.0], dtype), np.array(8.0, dtype)]


def sgd(**more: Any) -> TorchOptimizer:
    return optimizer(torch.optim.SGD, **{"lr": 0.125, **more})


def lists(weights: list[Array]) -> list[Any]:
    return [w.tolist() for w in weights]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_step_moves_copies_and_leaves_the_users_arrays(dtype: type) -> None:
    mine, slopes = tensors(dtype), gradients(dtype)
    run = sgd().start(mine, ONE)
    run.step(slopes)
    assert lists(run.weights()) == [[[0.9375] * 3] * 2, [1.875, 2.125], 3.0]
    assert {w.dtype for w in run.weights()} == {np.dtype(dtype)}
    assert lists(mine) == lists(tensors())
    assert lists(slopes) == lists(gradients())


def test_what_weights_returns_is_a_copy() -> None:
    run = sgd().start(tensors(), ONE)
    run.weights()[0][:] = 7.0
    assert run.weights()[0].tolist() == [[1.0] * 3] * 2


def test_an_optimizer_that_spoils_its_gradients_spoils_only_copies() -> None:
    class Spoils(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            g.fill_(float("nan"))

    slopes = gradients()
    optimizer(Spoils).start(tensors(), ONE).step(slopes)
    assert lists(slopes) == lists(gradients())


def test_rates_are_set_group_by_group_as_schedulers_do() -> None:
    run = sgd().start(tensors(), SPLIT)
    assert run.rates() == [0.5, 0.25, 0.5]
    run.step(gradients())
    assert lists(run.weights()) == [[[0.75] * 3] * 2, [1.75, 2.25], 0.0]
    run.scale_rate(0.5)
    assert run.rates() == [0.25, 0.125, 0.25]


def test_without_rates_the_users_own_is_left_alone() -> None:
    run = sgd().start(tensors(), Plan(((0,), (1, 2))))
    assert run.rates() == [0.125] * 3
    assert sgd().own_rate == 0.125
    assert optimizer(torch.optim.Adam).own_rate == 1e-3
    assert optimizer(odd_optimizers.HidesItsRate).own_rate is None


def test_a_rate_that_is_a_tensor_stays_one() -> None:
    subject = optimizer(torch.optim.Adam, lr=torch.tensor(0.5, dtype=torch.float64), foreach=False)
    run = subject.start(tensors(), SPLIT)
    assert run.rates() == [0.5, 0.25, 0.5]
    run.scale_rate(2.0)
    assert run.rates() == [1.0, 0.5, 1.0]
    groups = run._optimizer.param_groups
    assert all(isinstance(group["lr"], torch.Tensor) for group in groups)
    run.step(gradients())
    assert subject.own_rate == 0.5, "the user's own tensor is not written to"


def test_an_optimizer_without_rates_shows_none() -> None:
    run = optimizer(odd_optimizers.HidesItsRate).start(tensors(), SPLIT)
    assert run.rates() == [None] * 3
    run.scale_rate(2.0)
    run.step(gradients())
    assert run.weights()[2].tolist() == 3.0


def test_further_hyperparameters_come_from_the_plan() -> None:
    run = sgd().start(tensors(), Plan(((0, 1, 2),), (1.0,), {"weight_decay": 0.25, "maximize": True}))
    run.step(gradients())
    assert run.weights()[2].tolist() == 4.0 + 8.0 - 1.0


def test_groups_are_handed_over_in_their_order() -> None:
    seen: list[Any] = []

    class Looks(odd_optimizers.Rule):
        def __init__(self, params: Any, lr: float = 0.1) -> None:
            super().__init__(params, lr)
            seen.append([tuple(tuple(p.shape) for p in group["params"]) for group in self.param_groups])

    subject = optimizer(Looks)
    seen.clear()
    subject.start(tensors(), SPLIT)
    subject.start(tensors(), ONE)
    assert seen == [[((), (2, 3)), ((2,),)], [((2, 3), (2,), ())]]


def test_the_factory_is_called_afresh_for_every_run() -> None:
    subject = optimizer(torch.optim.SGD, lr=0.5, momentum=0.5)
    first, second = subject.start(tensors(), ONE), subject.start(tensors(), ONE)
    first.step(gradients())
    first.step(gradients())
    second.step(gradients())
    assert second.weights()[2].tolist() == 0.0
    assert first.weights()[2].tolist() == -6.0


def test_a_missing_gradient_is_none_and_an_old_one_does_not_stay() -> None:
    run = sgd().start(tensors(), ONE)
    run.step(gradients())
    run.step([None, gradients()[1], None])
    assert run._parameters[0].grad is None
    assert run.weights()[0].tolist() == [[0.9375] * 3] * 2
    assert run.weights()[1].tolist() == [1.75, 2.25]


def test_frozen_tensors_are_handed_over_and_want_no_gradient() -> None:
    run = sgd(weight_decay=0.5).start(tensors(), Plan(((0, 1, 2),), frozen=frozenset({1})))
    assert [p.requires_grad for p in run._parameters] == [True, False, True]
    run.step([gradients()[0], None, gradients()[2]])
    assert run.weights()[1].tolist() == [2.0, 2.0]


@pytest.mark.filterwarnings("ignore:Using backward:UserWarning")
@pytest.mark.parametrize("delivery", list(Delivery))
def test_gradients_arrive_bit_for_bit_whatever_the_delivery(delivery: Delivery) -> None:
    slopes = [np.array([[0.1, -0.3, 1e-300]] * 2), np.array([np.pi, -np.e]), np.array(1 / 3)]
    run = sgd().start(tensors(), ONE)
    run.step(slopes, delivery)
    for p, g in zip(run._parameters, slopes, strict=True):
        assert p.grad is not None
        assert p.grad.detach().to_dense().numpy().tobytes() == g.tobytes()
        assert p.grad.requires_grad is (delivery is Delivery.GRAPH)


def test_layouts_are_kept() -> None:
    """Transposed parameters and gradients stay transposed: that is what clauses about layout draw them for."""
    fortran = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    run = sgd().start([fortran], Plan(((0,),)))
    assert not run._parameters[0].is_contiguous()
    run.step([fortran * 0 + np.asfortranarray(np.ones((2, 3)))])
    assert run._parameters[0].grad is not None
    assert run._parameters[0].grad.stride() == run._parameters[0].stride() == (1, 2)
    assert run.weights()[0].flags.f_contiguous
    assert run.weights()[0].tolist() == (fortran - 0.125).tolist()


def test_scalars_and_empty_tensors() -> None:
    run = sgd().start([np.array(1.0), np.zeros((0, 2))], Plan(((0, 1),)))
    run.step([np.array(8.0), np.zeros((0, 2))])
    assert [w.shape for w in run.weights()] == [(), (0, 2)]
    assert run.weights()[0].tolist() == 0.0


def test_weights_can_be_placed() -> None:
    run = sgd().start(tensors(), ONE)
    run.place([w * 2 for w in tensors()])
    assert lists(run.weights()) == lists([w * 2 for w in tensors()])


def test_a_resumed_run_continues_from_saved_state_on_copies() -> None:
    subject = optimizer(torch.optim.SGD, lr=0.5, momentum=0.5)
    run = subject.start(tensors(), SPLIT)
    run.step(gradients())
    run.scale_rate(0.5)
    again = run.resumed()
    assert again.rates() == run.rates() == [0.25, 0.125, 0.25]
    assert lists(again.weights()) == lists(run.weights())
    again.step(gradients())
    assert lists(again.weights()) != lists(run.weights())
    run.step(gradients())
    assert lists(again.weights()) == lists(run.weights())
    assert again._optimizer is not run._optimizer


def test_a_closure_looks_at_the_weights_of_its_moment() -> None:
    looks: list[list[Any]] = []

    def look(weights: Any) -> tuple[float, list[Array]]:
        looks.append(lists(weights))
        return 1.0, gradients()

    run = sgd().start(tensors(), ONE)
    assert run.step_closure(look).looks == 1
    assert looks == [lists(tensors())]
    assert run.weights()[2].tolist() == 3.0


def test_an_optimizer_that_calls_its_closure_twice_is_counted() -> None:
    class CallsTwice(odd_optimizers.Rule):
        def step(self, closure: odd_optimizers.Closure = None) -> Any:
            assert closure is not None
            closure()
            return super().step(closure)

    assert optimizer(CallsTwice).start(tensors(), ONE).step_closure(lambda w: (0.0, gradients())).looks == 2


def test_a_state_that_belongs_to_no_parameter_has_no_dtype_to_be_cast_to() -> None:
    run = optimizer(odd_optimizers.CountsForAll).start(tensors(), ONE)
    run.step(gradients())
    assert run.cast_on_loading() == ""


def test_a_late_group_is_given_the_keys_that_a_function_gives_to_each() -> None:
    run = optimizer(odd_optimizers.of_one_kind).start(tensors(), Plan(((0, 1),), (0.5,)))
    run.add_group((2,), 0.25)
    run.step(gradients())
    assert run.hyperparameters()[2] == {"kind": "plain", "lr": 0.25}


def test_a_late_group_of_a_class_is_given_what_users_give() -> None:
    """What the constructor puts into its groups, ``add_param_group`` has to put there too."""

    class KnowsItsFirstGroups(odd_optimizers.NeedsAKind):
        def __init__(self, params: Any, lr: float = 0.1) -> None:
            super().__init__(params, lr)
            self.param_groups[0]["kind"] = "plain"

    run = optimizer(KnowsItsFirstGroups).start(tensors(), Plan(((0, 1),), (0.5,)))
    run.add_group((2,), 0.25)
    with pytest.raises(SubjectCrash, match=r"^step\(\) raised KeyError: 'kind'$"):
        run.step(gradients())


def test_a_step_that_takes_no_closure_is_said_to() -> None:
    run = optimizer(odd_optimizers.TakesNoClosure).start(tensors(), ONE)
    run.step(gradients())
    with pytest.raises(Unsupported, match=r"^step\(\) takes no closure$"):
        run.step_closure(lambda w: (0.0, gradients()))


def test_crashes_say_what_was_being_done() -> None:
    run = optimizer(odd_optimizers.NeverWorks).start(tensors(), ONE)
    with pytest.raises(SubjectCrash, match=r"^step\(\) raised RuntimeError: broken$"):
        run.step(gradients())
    with pytest.raises(SubjectCrash, match=r"^step\(closure\) raised RuntimeError: broken$"):
        run.step_closure(lambda w: (0.0, gradients()))
    subject = optimizer(odd_optimizers.OneGroupOnly)
    with pytest.raises(SubjectCrash) as raised:
        subject.start(tensors(), SPLIT)
    assert str(raised.value) == (
        "tests.subjects.odd_optimizers:OneGroupOnly on 2 parameter groups raised ValueError: "
        "no parameter groups, please"
    )


@pytest.mark.parametrize("method", ["state_dict", "load_state_dict"])
def test_a_crash_while_resuming_says_so(method: str) -> None:
    def broken(self: Any, *arguments: Any) -> Any:
        raise KeyError("lost")

    subject = optimizer(type("Forgetful", (torch.optim.SGD,), {method: broken}), lr=0.1)
    with pytest.raises(SubjectCrash, match=rf"^{method}\(\) raised KeyError: 'lost'$"):
        subject.start(tensors(), ONE).resumed()


def test_a_factory_that_returns_something_else_at_last_is_a_usage_error() -> None:
    subject = TorchOptimizer(odd_optimizers.not_an_optimizer, {}, "mine")  # type: ignore[arg-type] # that is the test
    with pytest.raises(UsageError, match=r"^mine returned a list; expected a torch\.optim\.Optimizer$"):
        subject.start(tensors(), ONE)


def test_an_optimizer_that_holds_other_tensors_moves_none_of_ours() -> None:
    class HoldsCopies(torch.optim.SGD):
        def __init__(self, params: Any, lr: float = 0.1) -> None:
            super().__init__([torch.nn.Parameter(p.detach().clone()) for p in params], lr)

    run = optimizer(HoldsCopies).start(tensors(), Plan(((0, 1, 2),), (0.5,)))
    run.step(gradients())
    assert lists(run.weights()) == lists(tensors())
    assert run.rates() == [None] * 3


def test_every_run_starts_from_the_plans_random_numbers() -> None:
    subject = optimizer(odd_optimizers.Noisy)

    def moved(seed: int) -> Any:
        run = subject.start(tensors(), Plan(((0, 1, 2),), seed=seed))
        run.step(gradients())
        return lists(run.weights())

    assert moved(0) == moved(0)
    assert moved(0) != moved(1)


@pytest.mark.parametrize(
    ("option", "accepted"), [("momentum", False), ("weight_decay", True), ("maximize", True), ("betas", False)]
)
def test_options_are_accepted_that_the_factory_has_and_the_user_has_not_set(option: str, *, accepted: bool) -> None:
    assert sgd(momentum=0.9).accepts(option) is accepted


def test_a_prepared_subject_is_another_one() -> None:
    subject, traits, calls = sgd(), Traits(plain="yes"), Calls(3.0)
    ready = subject.prepared(traits, calls)
    assert (ready.traits, ready.calls, ready.name) == (traits, calls, subject.name)
    assert subject.traits == Traits()


def run_script(subject: TorchOptimizer, plan: Plan, steps: list[list[str]]) -> dict[str, Any]:
    start = subject.script.start(tensors(np.float32), plan)
    names: dict[str, Any] = {}
    exec("\n".join([subject.script.head(), *start, *(line for step in steps for line in step)]), names)
    return names


def test_its_script_does_what_its_run_did() -> None:
    subject = optimizer("torch.optim:SGD", lr=0.125, momentum=0.5)
    plan = Plan(((2, 0), (1,)), (0.5, 0.25), {"weight_decay": 0.25}, frozen=frozenset({1}))
    run = subject.start(tensors(np.float32), plan)
    fed: Any = [[gradients()[0], None, gradients()[2]], [None, None, gradients()[2]]]
    steps = [subject.script.step(step, Delivery.ASSIGNED, plan) for step in fed]
    for step in fed:
        run.step(step)
    names = run_script(subject, plan, steps)
    seen = [names[f"w{i + 1}"].detach().numpy() for i in range(3)]
    assert [w.tobytes() for w in seen] == [w.tobytes() for w in run.weights()]
    assert not names["w2"].requires_grad


def test_its_script_of_a_closure_answers_alike() -> None:
    subject = optimizer("torch.optim:SGD", lr=0.125)
    run = subject.start(tensors(np.float32), ONE)
    run.step_closure(lambda w: (2.0, gradients(np.float32)))
    names = run_script(subject, ONE, [subject.script.closure([(2.0, gradients(np.float32))], 3)])
    assert [names[f"w{i + 1}"].tolist() for i in range(3)] == lists(run.weights())


def test_a_transposed_tensor_is_transposed_in_the_script_too() -> None:
    subject, fortran = sgd(), np.asfortranarray(np.arange(6.0).reshape(2, 3))
    names: dict[str, Any] = {}
    lines = subject.script.start([fortran], Plan(((0,),)))
    exec("\n".join(["import torch", *lines[:-1]]), names)
    assert names["w1"].stride() == (1, 2)
    assert names["w1"].tolist() == fortran.tolist()
    assert isinstance(subject.start([fortran], Plan(((0,),))), TorchRun)


@pytest.mark.parametrize("layout", ["", "transposed", "strided"])
def test_a_script_lays_tensors_out_as_the_run_did(layout: str) -> None:
    plan = Plan(((0, 1, 2),), layout=layout, dtype="bfloat16")
    lines = optimizer("torch.optim:SGD", lr=0.5).script.start(tensors(), plan)
    made: dict[str, Any] = {"torch": torch, "SGD": torch.optim.SGD}
    exec("\n".join(lines), made)
    run = optimizer("torch.optim:SGD", lr=0.5).start(tensors(), plan)
    for i, p in enumerate(run._parameters):
        assert (made[f"w{i + 1}"].stride(), made[f"w{i + 1}"].dtype) == (p.stride(), torch.bfloat16)
        assert torch.equal(made[f"w{i + 1}"], p)


def test_a_script_gives_options_in_each_group_where_the_run_did() -> None:
    plan = Plan(((0, 1), (2,)), options={"dampening": 0.5}, of_groups=({}, {"momentum": 0.5}))
    lines = optimizer("torch.optim:SGD", lr=0.5).script.start(tensors(), plan)
    groups = """[{"params": [w1, w2]}, {"params": [w3], **{'momentum': 0.5}}]"""
    assert lines[-1] == f"optimizer = SGD({groups}, lr=0.5, dampening=0.5)"


@pytest.mark.parametrize(
    ("factor", "error", "diverging"),
    [(2.0**70, Unsupported, "the run diverges: "), (float("nan"), SubjectCrash, ""), (1.0, SubjectCrash, "")],
)
def test_what_is_raised_where_the_weights_have_overflown_is_no_crash(factor: float, error: Any, diverging: str) -> None:
    class Raises(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            p.mul_(factor)
            raise OverflowError("too long")

    run = optimizer(Raises, lr=0.5).start(tensors(), Plan(((0, 1, 2),)))
    with pytest.raises(error, match=rf"^{diverging}step\(\) raised OverflowError: too long$"):
        run.step(gradients())


def test_the_gradients_of_a_script_are_laid_out_too() -> None:
    lines = optimizer("torch.optim:SGD", lr=0.5).script.step(gradients(), Delivery.STRIDED, ONE)
    assert lines[1].startswith("w2.grad = torch.nn.functional.pad(")
    assert lines[1].endswith('.unsqueeze(-1), (0, 1), value=float("nan"))[..., 0]')
    assert lines[-1] == "optimizer.step()"
    image = [np.zeros((2, 3, 2, 2))]
    (line, *_) = optimizer("torch.optim:SGD", lr=0.5).script.step(image, Delivery.CHANNELS_LAST, ONE)
    assert line.endswith(".contiguous(memory_format=torch.channels_last)")


def test_options_that_are_refused_together_are_no_crash() -> None:
    plan = Plan(((0, 1, 2),), options={"nesterov": True})
    with pytest.raises(Unsupported, match=r"refuses \{'nesterov': True\}: Nesterov momentum requires a momentum"):
        optimizer(torch.optim.SGD, lr=0.5).start(tensors(), plan)


def test_a_tensor_that_changes_its_shape_is_a_crash_at_the_next_step() -> None:
    class Squeezes(odd_optimizers.Rule):
        def move(self, number: int, group: dict[str, Any], p: torch.Tensor, g: torch.Tensor) -> None:
            p.data = p.data.reshape(-1)

    run = optimizer(Squeezes).start(tensors(), ONE)
    run.step(gradients())
    with pytest.raises(SubjectCrash, match=r"a parameter of shape \(2, 3\) has the shape \(6,\) after a step"):
        run.step(gradients())


def test_a_state_goes_through_a_file_and_implementations_are_switched() -> None:
    run = optimizer(torch.optim.Adam, lr=0.5).start(tensors(), ONE)
    run.step(gradients())
    other = run.resumed(plan=Plan(((0, 1, 2),), options={"foreach": True}), through_file=True)
    assert other._optimizer.param_groups[0]["foreach"] is True
    assert other.remembered() == run.remembered()
    other.step(gradients())
    assert other.remembered() != run.remembered()
    assert torch.get_default_dtype() is torch.float32


def test_a_script_with_nan_and_infinity_is_python() -> None:
    lines = optimizer("torch.optim:SGD", lr=0.5).script.step([np.array([np.nan, -np.inf, 1.0])], Delivery.ASSIGNED, ONE)
    assert lines[0] == "w1.grad = torch.tensor([float('nan'), -float('inf'), 1.0], dtype=w1.dtype)"
