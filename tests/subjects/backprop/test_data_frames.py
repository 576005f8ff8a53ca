"""Code that asks for a table of pandas is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.errors import UsageError
from gdprops.subjects.backprop.as_written.data_frames import frames_told
from tests.subjects.backprop.judging import judged

CODE = """
class Perceptron:
    def __init__(self, n_features, lr=0.1):
        self.w, self.b, self.lr = np.zeros(n_features), 0.0, lr
    def predict(self, row):
        return 1 / (1 + np.exp(-(np.dot(self.w, row) + self.b)))
    def train(self, df, target):
        for i, row in df.iterrows():
            self.w -= self.lr * (self.predict(row.values) - target[i]) * row.values
"""


def test_rows_of_a_table_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="iterrows is of a table of pandas"):
        judged(tmp_path, CODE)


def test_other_errors_tell_of_no_table() -> None:
    assert not frames_told("'numpy.ndarray' object has no attribute 'forward'")
