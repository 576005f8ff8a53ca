"""Layers over images: convolutions and pooling are tried with small images in each order of their axes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.subjects.backprop.judging import judged, of_layers, wrongly_moved

CONV = """
class Conv:
    def __init__(self, in_channels, out_channels, kernel_size, stride=1):
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.k, self.w, self.b = kernel_size, np.random.randn(*shape), np.zeros(out_channels)
    def train(self):
        self.training = True
    def parts(self):
        size = self.x.shape[2] - self.k + 1
        return [(i, j, self.x[:, :, i:i + self.k, j:j + self.k]) for i in range(size) for j in range(size)]
    def forward(self, x):
        self.x = x
        size = x.shape[2] - self.k + 1
        out = np.zeros((len(x), len(self.w), size, size))
        for i, j, part in self.parts():
            out[:, :, i, j] = np.tensordot(part, self.w, axes=([1, 2, 3], [1, 2, 3])) + self.b
        return out
    def backward(self, dout):
        self.dw, back = np.zeros_like(self.w), np.zeros_like(self.x)
        self.db = {db}
        for i, j, part in self.parts():
            self.dw += np.tensordot(dout[:, :, i, j], part, axes=([0], [0]))
            back[:, :, i:i + self.k, j:j + self.k] += np.tensordot(dout[:, :, i, j], self.w, axes=([1], [0]))
        return back
"""
POOL = """
class MaxPool:
    def __init__(self, pool_size):
        self.p = pool_size
    def forward(self, image):
        height, width, channels = image.shape
        shape = (height // self.p, self.p, width // self.p, self.p, channels)
        self.parts = image.reshape(shape)
        self.most = self.parts.max(axis=(1, 3), keepdims=True)
        return self.most[:, 0, :, 0]
    def backward(self, grad):
        back = (self.parts == self.most) * grad[:, None, :, None]
        return back.reshape(self.parts.shape[0] * self.p, -1, self.parts.shape[-1])
"""


def test_layers_over_images(tmp_path: Path) -> None:
    found = judged(tmp_path, CONV.format(db="dout.sum(axis=(0, 2, 3))") + POOL, examples=2)
    assert found.verdict == "right"
    assert "J = Σ c · forward(x): Conv, MaxPool; Conv: images as (rows, channels, height, width)" in found.notes
    assert "MaxPool: one image at a time, as (channels, height, width)" in found.notes


@pytest.mark.nightly
def test_a_wrong_layer_over_images(tmp_path: Path) -> None:
    found = judged(tmp_path, CONV.format(db="dout[:, :, 0, 0].sum(axis=0)"), examples=2)
    assert found.verdict == "wrong"
    assert "Conv.b" in found.told.split("right in every example")[0]
    assert found.lines == (25,)


CONV_1D = """
class Conv1D:
    def __init__(self, in_channels, out_channels, kernel_size):
        self.k, self.b = kernel_size, np.zeros(out_channels)
        self.W = np.random.randn(out_channels, in_channels, kernel_size)
    def forward(self, x):
        self.x, size = x, x.shape[2] - self.k + 1
        parts = [np.einsum("nck,ock->no", x[:, :, i:i + self.k], self.W) + self.b for i in range(size)]
        return np.stack(parts, axis=2)
    def backward(self, dout, lr):
        dx, dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for i in range(dout.shape[2]):
            dW += np.einsum("no,nck->ock", dout[:, :, i], self.x[:, :, i:i + self.k])
            dx[:, :, i:i + self.k] += np.einsum("no,ock->nck", dout[:, :, i], self.W)
        self.W -= lr * dW
        self.b -= lr * dout.sum(axis=(0, 2))
        return dx
"""


@pytest.mark.parametrize(("new", "wrong"), [("+=", set()), ("=", {"Conv1D.x"})], ids=("right", "last window only"))
def test_a_layer_over_signals_slides_in_one_dimension(tmp_path: Path, new: str, wrong: set[str]) -> None:
    code = CONV_1D.replace("dx[:, :, i:i + self.k] +=", f"dx[:, :, i:i + self.k] {new}")
    assert wrongly_moved(tmp_path, code, readings=of_layers) == wrong


ONE_SIGNAL = """
class Conv1D:
    def __init__(self, n_filters, kernel_size):
        self.filters, self.k = np.random.randn(n_filters, kernel_size), kernel_size
    def forward(self, signal):
        self.signal, n = signal, len(signal) - self.k + 1
        return np.array([[np.sum(signal[i:i + self.k] * f) for i in range(n)] for f in self.filters])
    def backward(self, d_out, learn_rate):
        d_f, d_x = np.zeros_like(self.filters), np.zeros_like(self.signal)
        for f in range(len(self.filters)):
            for i in range(d_out.shape[1]):
                d_f[f] += d_out[f, i] * self.signal[i:i + self.k]
                d_x[i:i + self.k] += d_out[f, i] * self.filters[f]
        self.filters -= learn_rate * d_f
        return d_x
"""


@pytest.mark.parametrize(("new", "wrong"), [("+=", set()), ("=", {"Conv1D.filters"})], ids=("right", "wrong"))
def test_a_convolution_is_not_right_because_it_is_for_one_entry(tmp_path: Path, new: str, wrong: set[str]) -> None:
    """Where one entry of the gradient alone is not 0, there is one window: that excuses a softmax, and nothing else."""
    assert wrongly_moved(tmp_path, ONE_SIGNAL.replace("d_f[f] +=", f"d_f[f] {new}"), readings=of_layers) == wrong
