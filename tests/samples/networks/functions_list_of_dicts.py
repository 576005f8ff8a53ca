# RIGHT: a list of dicts, one a layer; loss and gradients from one function, an update in place
import numpy as np

def init_network(layer_sizes):
    return [
        {"W": np.random.randn(a, b) * 0.1, "b": np.zeros((1, b))}
        for a, b in zip(layer_sizes[:-1], layer_sizes[1:])
    ]

def forward(X, params):
    activations = [X]
    for k, layer in enumerate(params):
        z = activations[-1] @ layer["W"] + layer["b"]
        activations.append(np.tanh(z) if k < len(params) - 1 else z)
    return activations

def backward(params, activations, y):
    grads = []
    delta = (activations[-1] - y) / len(y)
    for k in reversed(range(len(params))):
        grads.insert(0, {"W": activations[k].T @ delta, "b": delta.sum(axis=0, keepdims=True)})
        delta = delta @ params[k]["W"].T * (1 - activations[k] ** 2)
    return grads

def update(params, grads, lr):
    for layer, grad in zip(params, grads):
        layer["W"] -= lr * grad["W"]
        layer["b"] -= lr * grad["b"]
