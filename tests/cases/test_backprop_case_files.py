"""The small files of ``tests/samples/backprop_cases``, one of each kind that was once judged wrongly: what is said.

The first line of each file says what is wrong or right in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.report.subjects_table import sentence, status_of
from gdprops.runner.session import check_subject
from gdprops.runner.settings import Settings

FILES = Path(__file__).parents[1] / "samples" / "backprop_cases"


class Said(NamedTuple):
    """What must be said of a file: right, wrong, or refused; and words of the sentence."""

    verdict: str
    words: str


CASES = {
    "01_class_data_in_init.py": Said("wrong", "uses the already updated weights of the next layer, weights2"),
    "06_mean_over_outputs.py": Said("refused", "right for y of shape (rows,), wrong for y of shape (2, rows)"),
    "08_layer_objects.py": Said("wrong", "Dense: backward hands its error on through the already updated weights"),
    "10_recurrent_not_transposed.py": Said("wrong", "goes back through Whh instead of its transpose (line 5)"),
    "11_maxpool_ties.py": Said("wrong", "wrong only where entries tie: max (line 4)"),
    "15_log_epsilon_1e-5.py": Said("right", "every step is plain gradient descent"),
    "15_log_epsilon_1e-7.py": Said("right", "every step is plain gradient descent"),
    "16_hidden_of_one.py": Said("wrong", "raises with 1 hidden unit"),
    "17_forward_result_dropped.py": Said("wrong", "no gradient is used"),
    "20_clip_advice.py": Said("wrong", "every entry of the gradient is clipped to the value 5"),
    "29_penalty_of_the_gradient.py": Said("wrong", "the derivative of a penalty is taken of the gradient"),
    "31_class_forward_backward.py": Said("right", "the squared error, averaged over all entries, fits every parameter"),
    "35_tuples.py": Said("wrong", "every entry moved by the sum of all entries' gradients"),
    "38_name_error_masked.py": Said("refused", "loss(params, X, y) raised NameError: name 'squash' is not defined"),
    "39_assertion_masked.py": Said("refused", "raised AssertionError: cost must be a float"),
    "42_two_faults.py": Said("wrong", "the gradient of the bias is summed over everything: every entry gets the same"),
    "43_scalar_bias.py": Said("wrong", "b1: every entry is the sum of all entries' gradients"),
    "x02_softmax_mse.py": Said("wrong", "as in cross-entropy: the derivative of softmax is missing"),
    "x06_broadcast_n_n.py": Said("wrong", "are the differences of all pairs of rows, averaged over the targets"),
    "x07_epoch_of_minibatches.py": Said("wrong", "one update per mini-batch of 2 rows"),
    "x08_label_indexing.py": Said("wrong", "as by probs[:, y] -= 1, not in each row's own column"),
    "x09_batch_norm_constants.py": Said("wrong", "W1: mean and var (line 6) are taken for constants"),
    "x12_accumulators_not_reset.py": Said("wrong", "the gradient is added to those of the earlier steps"),
    "y10_bias_column.py": Said("right", "every step is plain gradient descent"),
    "pair/student_a/own/net.py": Said("right", "every step is plain gradient descent"),
    "pair/student_b/own/net.py": Said("wrong", "W1"),
}
OFTEN = 4
"""Every so many files are checked in every run, the others at night."""
EACH = [
    pytest.param(name, id=name, marks=[pytest.mark.nightly] * (number % OFTEN != 1 and "x09" not in name))
    for number, name in enumerate(CASES)
]


def test_no_file_is_left_out() -> None:
    assert {str(path.relative_to(FILES)) for path in FILES.rglob("*.py")} - {
        "pair/student_a/lib/activation.py",
        "pair/student_b/lib/activation.py",
    } == CASES.keys()


def said_of(file: Path) -> Said:
    """Return what is said of a file: its verdict and its sentence, or why it was refused."""
    try:
        outcome = check_subject(resolve(str(file)), settings=Settings(seed=0, examples=20))
    except UsageError as error:
        return Said("refused", str(error))
    return Said(status_of(outcome), sentence(outcome))


@pytest.mark.parametrize("name", EACH)
def test_a_file_gets_its_right_verdict(name: str) -> None:
    verdict, words = said_of(FILES / name)
    assert verdict == CASES[name].verdict, words
    assert CASES[name].words in words
