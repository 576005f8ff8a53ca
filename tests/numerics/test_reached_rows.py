"""Which rows reach a parameter, and which ranks they are dealt to."""

from __future__ import annotations

import numpy as np

from gdprops.model.network import Batch
from gdprops.numerics.reached_rows import reached_by, with_branch


def test_the_rows_of_the_chosen_ranks_alone_have_a_positive_first_input() -> None:
    batch = Batch(np.array([[0.0, 1.0], [-2.0, 1.0], [3.0, -1.0]]), np.zeros((3, 1)))
    assert reached_by(batch, (1, 2), {0}).inputs.tolist() == [[1.0, 1.0], [-2.0, 1.0], [-3.0, -1.0]]
    assert reached_by(batch, (1, 2), {1}).inputs.tolist() == [[-1.0, 1.0], [2.0, 1.0], [3.0, -1.0]]
    assert (reached_by(batch, (1, 2), ()).inputs[:, 0] < 0).all()
    assert batch.inputs[0, 0] == 0.0


def test_the_parameter_is_added_to_rows_that_reach_it() -> None:
    inputs = np.array([[1.0, 1.0], [-1.0, 1.0]])
    assert with_branch(inputs, np.array([0.5, 2.0])).tolist() == [[1.5, 3.0], [-1.0, 1.0]]
