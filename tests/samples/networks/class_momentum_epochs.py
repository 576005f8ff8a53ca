# RIGHT: momentum kept in the object, mini-batches over epochs in train, a mean squared error, columns of names
import numpy as np

class MLP:
    def __init__(self, n_inputs, n_hidden, n_outputs, learning_rate=0.1, momentum=0.9):
        self.w1 = np.random.uniform(-1, 1, (n_inputs, n_hidden))
        self.b1 = np.zeros((1, n_hidden))
        self.w2 = np.random.uniform(-1, 1, (n_hidden, n_outputs))
        self.b2 = np.zeros((1, n_outputs))
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.v = {k: 0.0 for k in ("w1", "b1", "w2", "b2")}

    def predict(self, x):
        self.h = np.tanh(x @ self.w1 + self.b1)
        return self.h @ self.w2 + self.b2

    def train(self, x, y, epochs=100, batch_size=32):
        history = []
        for epoch in range(epochs):
            order = np.random.permutation(len(x))
            for start in range(0, len(x), batch_size):
                idx = order[start:start + batch_size]
                xb, yb = x[idx], y[idx]
                out = self.predict(xb)
                d = 2 * (out - yb) / len(xb)
                dh = (d @ self.w2.T) * (1 - self.h ** 2)
                grads = {"w2": self.h.T @ d, "b2": d.sum(0, keepdims=True), "w1": xb.T @ dh, "b1": dh.sum(0, keepdims=True)}
                for k, g in grads.items():
                    self.v[k] = self.momentum * self.v[k] - self.learning_rate * g
                    setattr(self, k, getattr(self, k) + self.v[k])
            history.append(float(np.mean((self.predict(x) - y) ** 2)))
        return history
