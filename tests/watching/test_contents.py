"""Contents as numbers: the same bits, the same number; what returns gets its old one."""

from __future__ import annotations

import torch

from gdprops.watching.contents import Contents, compared_entries, is_dense, is_multiple


def test_a_number_stays_while_the_bits_do_and_nan_equals_itself() -> None:
    contents, weight = Contents(8), torch.tensor([1.0, float("nan")])
    first = contents.look([(1, weight)])
    assert contents.look([(1, weight)]) == first
    weight[0] = 2.0
    assert contents.look([(1, weight)]) != first


def test_what_is_moved_away_and_back_by_subtracting_has_its_old_number() -> None:
    contents, weight = Contents(64), torch.randn(50, generator=torch.Generator().manual_seed(0))
    first = contents.look([(1, weight)])
    away = torch.randn(50, generator=torch.Generator().manual_seed(1))
    weight += away
    assert contents.look([(1, weight)]) != first
    weight -= away
    assert contents.look([(1, weight)]) == first


def test_a_step_leaves_something_new_even_where_it_goes_back() -> None:
    contents, weight = Contents(8), torch.ones(2)
    first = contents.look([(1, weight)])
    weight += 1
    contents.look([(1, weight)], after_step=True)
    weight -= 1
    assert contents.look([(1, weight)], after_step=True) != first


def test_a_change_by_rounding_and_a_common_factor_are_told() -> None:
    contents, one, other = Contents(8), torch.tensor([1.0, -2.0, 3.0]), torch.tensor([1.0, 2.0])
    contents.look([(1, one), (2, other)])
    one *= 0.99
    other[0] += 2.0**-23
    contents.look([(1, one), (2, other)])
    assert (contents.shrunk([1, 2]), contents.rounded([1, 2])) == (frozenset({1}), frozenset({2}))


def test_new_memory_is_looked_at() -> None:
    contents, weight = Contents(8), torch.nn.Parameter(torch.ones(2))
    first = contents.look([(1, weight)])
    weight.data = torch.zeros(2)
    assert contents.look([(1, weight)]) != first


def test_parameters_of_several_types_are_compared_apart() -> None:
    contents, one, other = Contents(8), torch.ones(2), torch.ones(2, dtype=torch.float64)
    first = contents.look([(1, one), (2, other)])
    other += 1
    second = contents.look([(1, one), (2, other)])
    assert (first[1] == second[1], first[2] == second[2]) == (True, False)


def test_large_tensors_are_sampled_evenly_also_where_they_are_not_contiguous() -> None:
    entries = compared_entries(torch.arange(1000.0), 100)
    assert entries is not None
    assert entries.tolist()[:3] == [0.0, 11.0, 22.0]
    turned = compared_entries(torch.arange(1000.0).view(20, 50).t(), 100)
    assert turned is not None
    assert turned.tolist() == entries.tolist()
    assert compared_entries(torch.arange(1000.0)[::2], 100) is None
    assert not is_dense(torch.arange(6.0)[::2])


def test_what_has_no_plain_entries_is_left_out() -> None:
    assert Contents(8).look([(1, torch.zeros(2, device="meta")), (2, torch.ones(2).to_sparse())]) == {}


def test_zero_is_no_multiple_of_anything() -> None:
    assert not is_multiple(torch.zeros(2), torch.zeros(2))
    assert not is_multiple(torch.tensor([0.5, 1.0]), torch.tensor([1.0, 2.0]))
