"""Files as they stand in repositories: imports from the root, packages without ``__init__.py``, empty files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdprops.errors import UsageError
from gdprops.kinds.resolve import resolve
from gdprops.subjects.user_code.import_roots import import_roots, package_of
from tests.subjects.backprop.judging import judged

DENSE = """
class Dense(Layer):
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros((1, n_out))
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, grad):
        self.dW, self.db = self.x.T @ grad, grad.sum(axis=0, keepdims=True)
        return grad @ self.W.T
"""
BASE = "class Layer:\n    pass\n"


def _written(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def test_a_layer_whose_base_class_is_imported_from_the_root_of_the_repository(tmp_path: Path) -> None:
    _written(tmp_path, {"engine/parts/base.py": BASE})
    found = judged(tmp_path / "engine" / "parts", f"from engine.parts.base import Layer\n{DENSE}", name="dense.py")
    assert found.verdict == "right"
    assert "layers, each with J = Σ c · forward(x): Dense" in found.notes


def test_a_layer_whose_base_class_is_imported_relatively_without_an_init_file(tmp_path: Path) -> None:
    _written(tmp_path, {"engine/common/base.py": BASE, "engine/parts/other.py": ""})
    found = judged(tmp_path / "engine" / "parts", f"from ..common.base import Layer\n{DENSE}", name="dense.py")
    assert found.verdict == "right"
    assert package_of(tmp_path / "engine" / "parts" / "dense.py") == ("engine.parts", tmp_path)


def test_a_package_goes_before_a_module_of_its_name_that_lies_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "parts"
    _written(folder, {"__init__.py": "", "base.py": BASE, "parts.py": "", "other.py": "import numpy, parts.base"})
    assert import_roots(folder / "other.py", [folder]) == ([tmp_path], [])
    assert judged(folder, f"from parts.base import Layer\n{DENSE}", name="dense.py").verdict == "right"


def test_the_slope_of_an_activation_is_not_accused_of_moving_nothing(tmp_path: Path) -> None:
    code = """
    class Layer:
        def __init__(self, n_in, n_out):
            self.w, self.b = np.random.randn(n_in, n_out), np.zeros((1, n_out))
        def forward(self, x_in):
            return 1 / (1 + np.exp(-(x_in @ self.w + self.b)))
        def backward(self, {argument}):
            return {argument} * (1 - {argument})
    """
    with pytest.raises(UsageError, match=r"backward\(a\) moves no parameter and gives no gradient of one"):
        judged(tmp_path, code.format(argument="a"))
    assert judged(tmp_path, code.format(argument="targets"), name="forgot.py").told == "no gradient is used"


def test_a_file_in_which_nothing_can_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"defines nothing that Python can make \(Dense \(line 3\): NameError: name '"):
        judged(tmp_path, DENSE)
    (tmp_path / "nothing.py").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="is empty: it holds no code that could be checked"):
        resolve(str(tmp_path / "nothing.py"))


def test_a_loop_over_layers_that_counts_backwards_is_no_loop_over_epochs(tmp_path: Path) -> None:
    code = """
    class Net:
        def __init__(self, sizes):
            self.depth = len(sizes) - 1
            self.W = [np.random.randn(a, b) for a, b in zip(sizes, sizes[1:])]
        def forward(self, X):
            self.a = [X]
            for W in self.W:
                self.a.append(np.tanh(self.a[-1] @ W))
            return self.a[-1]
        def backprop(self, X, y, lr):
            delta = (self.forward(X) - y) * (1 - self.a[-1] ** 2)
            for i in range(self.depth):
                at = self.depth - i - 1
                before = (delta @ self.W[at].T) * (1 - self.a[at] ** 2)
                self.W[at] -= lr * self.a[at].T @ delta
                delta = before
    """
    found = judged(tmp_path, code)
    assert found.verdict == "right"
    assert "was run once" not in found.notes


def test_a_layer_that_cannot_be_used_says_why_and_what_to_do(tmp_path: Path) -> None:
    code = """
    class Dense:
        def __init__(self, n_in, n_out):
            self.W = np.random.randn(n_in, n_out)
        def forward(self, x):
            return self.scale.apply(x @ self.W)
        def backward(self, grad):
            return grad @ self.W.T
    """
    with pytest.raises(UsageError) as raised:
        judged(tmp_path, code)
    assert str(raised.value).endswith(
        "net.py: Dense: no way was found to make it and to call its forward and backward (it raised AttributeError: "
        "'Dense' object has no attribute 'scale', line 7); run gdprops check on the file of a network of such "
        "layers"
    )


def test_an_old_name_in_a_helper_is_read_as_what_it_was_and_told(tmp_path: Path) -> None:
    helper = "import numpy as np\ndef column(y):\n    return np.asarray(y, dtype=np.float)\n"
    code = """
    from helper import column
    class Net:
        def __init__(self, n_in, n_out):
            self.W = np.random.randn(n_in, n_out)
        def forward(self, X):
            return X @ self.W
        def train(self, X, y, lr):
            self.W -= lr * X.T @ (self.forward(X) - column(y))
    """
    _written(tmp_path, {"helper.py": helper})
    found = judged(tmp_path, code, examples=4)
    assert found.verdict == "right"
    assert "np.float is gone from NumPy: it was read as float (line 3 of helper.py)" in found.notes
    wrong = code.replace("X.T @ (", "2 * X.T @ np.abs(")
    assert judged(tmp_path, wrong, name="wrong.py", examples=4).verdict != "right"
