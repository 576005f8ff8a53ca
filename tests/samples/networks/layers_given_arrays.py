# RIGHT: layers that are given their arrays and store their gradients, a mode of training, what comes back in a tuple
import numpy as np

class Affine:
    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T

class Linear:
    def __init__(self, n_in, n_out, activation):
        self.weights = np.random.randn(n_in, n_out)
        self.bias = np.zeros((1, n_out))
        self.activation = activation

    def forward(self, x, training):
        self.x = x
        z = x @ self.weights + self.bias
        if self.activation == "relu":
            return np.maximum(z, 0)
        if self.activation == "sigmoid":
            self.a = 1 / (1 + np.exp(-z))
            return self.a
        exit()

    def backward(self, grad):
        d = grad * self.a * (1 - self.a)
        return d @ self.weights.T, self.x.T @ d, d.sum(axis=0, keepdims=True)
