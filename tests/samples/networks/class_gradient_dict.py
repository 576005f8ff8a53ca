# WRONG 26: predict, loss and gradient in a dict: the error of b1 is that of one row
import numpy as np

class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01):
        self.params = {
            "W1": weight_init_std * np.random.randn(input_size, hidden_size), "b1": np.zeros(hidden_size),
            "W2": weight_init_std * np.random.randn(hidden_size, output_size), "b2": np.zeros(output_size),
        }

    def predict(self, x):
        h = np.tanh(x @ self.params["W1"] + self.params["b1"])
        e = np.exp(h @ self.params["W2"] + self.params["b2"])
        return e / e.sum(axis=1, keepdims=True)

    def loss(self, x, t):
        return -np.sum(t * np.log(self.predict(x) + 1e-7)) / len(x)

    def gradient(self, x, t):
        grads = {}
        h = np.tanh(x @ self.params["W1"] + self.params["b1"])
        d = (self.predict(x) - t) / len(x)
        back = d @ self.params["W2"].T * (1 - h ** 2)
        grads["W2"], grads["b2"] = h.T @ d, d.sum(axis=0)
        grads["W1"] = x.T @ back
        grads["b1"] = back[0]
        return grads
