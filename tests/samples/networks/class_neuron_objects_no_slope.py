# WRONG 29: the hidden error is not multiplied by the slope of the hidden neurons
import numpy as np

class Neuron:
    def __init__(self, n):
        self.weights = [np.random.uniform(-1, 1) for _ in range(n)]
        self.bias = np.random.uniform(-1, 1)
    def activate(self, inputs):
        self.inputs = inputs
        z = self.bias
        for w, x in zip(self.weights, inputs):
            z += w * x
        self.output = 1 / (1 + np.exp(-z))
        return self.output

class Network:
    def __init__(self, n_in, n_hidden, n_out):
        self.hidden = [Neuron(n_in) for _ in range(n_hidden)]
        self.outputs = [Neuron(n_hidden) for _ in range(n_out)]
    def forward(self, x):
        h = [n.activate(x) for n in self.hidden]
        return [n.activate(h) for n in self.outputs]
    def train(self, x, target, lr):
        out = self.forward(x)
        d_out = [(o - t) * o * (1 - o) for o, t in zip(out, target)]
        d_hid = []
        for i, n in enumerate(self.hidden):
            e = sum(d * m.weights[i] for d, m in zip(d_out, self.outputs))
            d_hid.append(e)
        for layer, ds in ((self.outputs, d_out), (self.hidden, d_hid)):
            for n, d in zip(layer, ds):
                n.weights = [w - lr * d * x for w, x in zip(n.weights, n.inputs)]
                n.bias -= lr * d
