# RIGHT: gradients in a dict, the biases are rows, made inside a function that trains; the loss is computed
import numpy as np

def feed_forward(X, model):
    W1, b1, W2, b2 = model["W1"], model["b1"], model["W2"], model["b2"]
    a1 = np.tanh(X @ W1 + b1)
    e = np.exp(a1 @ W2 + b2)
    return a1, e / e.sum(axis=1, keepdims=True)

def calculate_loss(X, y, model):
    _, out = feed_forward(X, model)
    return -np.sum(np.log(out[range(len(y)), y])) / len(y)

def backprop(X, y, model):
    a1, out = feed_forward(X, model)
    delta = out
    delta[range(len(y)), y] -= 1
    delta = delta / len(y)
    back = delta @ model["W2"].T * (1 - a1 ** 2)
    return {
        "dW2": a1.T @ delta, "db2": np.sum(delta, axis=0, keepdims=True),
        "dW1": X.T @ back, "db1": np.sum(back, axis=0, keepdims=True),
    }

def train(X, y, hidden, passes=1000):
    model = {"W1": np.random.randn(X.shape[1], hidden), "b1": np.zeros((1, hidden))}
    model |= {"W2": np.random.randn(hidden, 2), "b2": np.zeros((1, 2))}
    for i in range(passes):
        grads = backprop(X, y, model)
        for name in model:
            model[name] -= 0.1 * grads["d" + name]
    return model
