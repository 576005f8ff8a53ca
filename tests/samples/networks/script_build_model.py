# RIGHT: a function that makes its weights and trains them, on data of a package that is not there, with a penalty
import numpy as np
from dataset_package import moons

X, y = moons(200)
num_samples = len(X)
in_dim, out_dim = 2, 2
step_size, strength = 0.01, 0.02

def build(n_hidden, passes=20000, tell=False):
    W1 = np.random.randn(in_dim, n_hidden)
    b1 = np.zeros((1, n_hidden))
    W2 = np.random.randn(n_hidden, out_dim)
    b2 = np.zeros((1, out_dim))
    model = {}
    for i in range(passes):
        a1 = np.tanh(X @ W1 + b1)
        scores = np.exp(a1 @ W2 + b2)
        probs = scores / scores.sum(axis=1, keepdims=True)
        delta = probs
        delta[range(num_samples), y] -= 1
        dW2 = a1.T @ delta + strength * W2
        db2 = delta.sum(axis=0, keepdims=True)
        back = delta @ W2.T * (1 - a1 ** 2)
        dW1 = X.T @ back + strength * W1
        db1 = back.sum(axis=0)
        W1 += -step_size * dW1
        b1 += -step_size * db1
        W2 += -step_size * dW2
        b2 += -step_size * db2
        model = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
        if tell and i % 1000 == 0:
            print(i, model)
    return model

model = build(3, tell=True)
