"""How tensors lie in memory, and which parts of a state are somebody else's."""

from __future__ import annotations

import pytest
import torch

from gdprops.model.case import CHANNELS_LAST, STRIDED, TRANSPOSED
from gdprops.subjects.torch_optimizer.memory_layout import digest, laid_out, shared_memory

MATRIX = torch.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize("layout", ["", TRANSPOSED, STRIDED, CHANNELS_LAST])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3), (0,), (2, 3, 2, 2)])
def test_a_layout_changes_no_number(layout: str, shape: tuple[int, ...]) -> None:
    values = torch.rand(shape)
    made = laid_out(values, layout)
    assert made.shape == values.shape
    assert torch.equal(made, values)
    assert not made.numel() or made.data_ptr() != values.data_ptr()


def test_a_transposed_matrix_has_its_rows_side_by_side_and_a_strided_one_gaps() -> None:
    assert laid_out(MATRIX, TRANSPOSED).stride() == (1, 2)
    assert laid_out(torch.zeros(2, 3, 4, 5), CHANNELS_LAST).stride() == (60, 1, 15, 3)
    strided = laid_out(MATRIX, STRIDED)
    assert strided.stride() == (6, 2)
    assert torch.as_strided(strided, (12,), (1,))[1::2].isnan().all()


def test_what_lies_in_the_memory_of_a_gradient_a_parameter_or_other_state_is_named() -> None:
    p, q, g = (torch.zeros(4) for _ in range(3))
    buffer = torch.zeros(8)
    state = {p: {"mean": g[1:], "slow": p}, q: {"lists": [buffer[:4], 1.0], "clock": buffer[0]}, "all": buffer[3:]}
    found = shared_memory({"w1": p, "w2": q}, {"w1.grad": g}, state, {id(p): "w1", id(q): "w2"})
    assert found == [
        "state[w1]['mean'] lies in the memory of w1.grad",
        "state[w1]['slow'] lies in the memory of w1",
        "state[all][] lies in the memory of state[w2]['lists'.0]",
    ]


def test_state_of_its_own_and_disjoint_parts_of_one_buffer_are_fine() -> None:
    p, q, buffer = torch.zeros(4), torch.zeros(4), torch.zeros(8)
    state = {p: {"mean": buffer[:4]}, q: {"mean": buffer[4:], "half": torch.zeros(4, dtype=torch.bfloat16)}}
    assert shared_memory({"w1": p, "w2": q}, {}, state, {}) == []


def test_a_digest_answers_to_tensors_and_numbers() -> None:
    p = torch.zeros(2)
    kept = {p: {"mean": torch.ones(2), "step": 1}}
    before = digest(kept)
    assert digest({p: {"mean": torch.ones(2), "step": 1}}) == before
    assert digest({p: {"mean": torch.ones(2), "step": 2}}) != before
    assert digest({p: {"mean": torch.zeros(2), "step": 1}}) != before


def test_a_number_in_the_state_may_be_shared_by_parameters_and_with_no_gradient() -> None:
    """A parameter of one entry has a momentum of one entry, which is the gradient itself where nothing clones it."""
    p, q, g = torch.nn.Parameter(torch.tensor(2.0)), torch.nn.Parameter(torch.tensor(3.0)), torch.tensor(1.0)
    count = torch.tensor(1.0)
    state = {p: {"step": count, "momentum": g}, q: {"step": count, "slow": q.detach()}}
    found = shared_memory({"w1": p, "w2": q}, {"w1.grad": g}, state, {id(p): "w1", id(q): "w2"})
    assert found == [
        "state[w1]['momentum'] lies in the memory of w1.grad",
        "state[w2]['slow'] lies in the memory of w2",
    ]
