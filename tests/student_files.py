"""Files as students hand them in: each correct in its own style, or wrong in one way."""

from __future__ import annotations

PLAIN = '''\
"""Plain two-layer net, correct, dict, rows."""
import numpy as np
def forward(params, X):
    h = np.tanh(X @ params["W1"] + params["b1"])
    return h, h @ params["W2"] + params["b2"]
def loss(params, X, y):
    return 0.5 * np.sum((forward(params, X)[1] - y) ** 2)
def step(params, X, y, lr):
    h, out = forward(params, X)
    d = out - y
    dh = d @ params["W2"].T * (1 - h**2)
    params["W2"] -= lr * h.T @ d
    params["b2"] -= lr * d.sum(axis=0)
    params["W1"] -= lr * X.T @ dh
    params["b1"] -= lr * dh.sum(axis=0)
'''

UPDATES_AS_IT_GOES = '''\
"""Updates as it goes."""
import numpy as np
def forward(params, X):
    h = np.tanh(X @ params["W1"] + params["b1"])
    return h, h @ params["W2"] + params["b2"]
def loss(params, X, y):
    return 0.5 * np.sum((forward(params, X)[1] - y) ** 2)
def step(params, X, y, lr):
    h, out = forward(params, X)
    d = out - y
    params["W2"] -= lr * h.T @ d
    params["b2"] -= lr * d.sum(axis=0)
    dh = d @ params["W2"].T * (1 - h**2)
    params["W1"] -= lr * X.T @ dh
    params["b1"] -= lr * dh.sum(axis=0)
'''

COLUMNS = '''\
"""Andrew-Ng style: columns, (n_out, m), sigmoid, cross-entropy, cache."""
import numpy as np
def sigmoid(z): return 1/(1+np.exp(-z))
def forward_propagation(X, parameters):
    Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = np.dot(parameters["W2"], A1) + parameters["b2"]
    A2 = sigmoid(Z2)
    return A2, {"A1": A1, "A2": A2}
def loss(parameters, X, Y):
    m = Y.shape[1]
    A2, _ = forward_propagation(X, parameters)
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    return float(np.squeeze(-np.sum(logprobs) / m))
def gradients(parameters, X, Y):
    m = X.shape[1]
    A2, cache = forward_propagation(X, parameters)
    dZ2 = A2 - Y
    dW2 = np.dot(dZ2, cache["A1"].T) / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = np.dot(parameters["W2"].T, dZ2) * (1 - np.power(cache["A1"], 2))
    return {"dW1": np.dot(dZ1, X.T) / m, "db1": np.sum(dZ1, axis=1, keepdims=True) / m, "dW2": dW2, "db2": db2}
def step(parameters, X, Y, learning_rate=1.2):
    g = gradients(parameters, X, Y)
    print("cost", loss(parameters, X, Y))
    return {k: parameters[k] - learning_rate * g["d" + k] for k in parameters}
'''

LABELS = '''\
"""Softmax regression with integer labels, eta in the middle, returns (params, loss)."""
import numpy as np
def probs(params, X):
    s = X @ params["W"] + params["b"]
    s = s - s.max(axis=1, keepdims=True)
    e = np.exp(s)
    return e / e.sum(axis=1, keepdims=True)
def loss(params, X, y):
    return -np.log(probs(params, X)[np.arange(len(y)), y] + 1e-12).mean()
def step(params, eta, X, y):
    p = probs(params, X)
    p[np.arange(len(y)), y] -= 1
    p /= len(y)
    new = {"W": params["W"] - eta * X.T @ p, "b": params["b"] - eta * p.sum(axis=0)}
    return new, loss(new, X, y)
'''

ONE_HOT = '''\
"""Softmax with one hot; the gradient p - y is right only for one-hot rows."""
import numpy as np
def softmax(s):
    e = np.exp(s - np.max(s, axis=1, keepdims=True)); return e / np.sum(e, axis=1, keepdims=True)
def loss(params, X, Y):
    W1, b1, W2, b2 = params
    return -np.sum(Y * np.log(softmax(np.maximum(0, X @ W1 + b1) @ W2 + b2))) / X.shape[0]
def step(params, X, Y, lr):
    W1, b1, W2, b2 = params
    a = np.maximum(0, X @ W1 + b1)
    d = (softmax(a @ W2 + b2) - Y) / X.shape[0]
    dW2 = a.T @ d
    db2 = np.sum(d, axis=0, keepdims=True)
    da = d @ W2.T
    da[a <= 0] = 0
    dW1 = X.T @ da
    db1 = np.sum(da, axis=0, keepdims=True)
    return W1 - lr * dW1, b1 - lr * db1, W2 - lr * dW2, b2 - lr * db2
'''

VECTORS = '''\
"""Linear regression, vectors."""
import numpy as np
def loss(params, X, y):
    return np.mean((X @ params["w"] + params["b"] - y) ** 2)
def gradients(params, X, y):
    e = X @ params["w"] + params["b"] - y
    return 2 * X.T @ e / len(y), 2 * e.mean()
def step(params, X, y, *, lr):
    dw, db = gradients(params, X, y)
    params["w"] -= lr * dw
    params["b"] -= lr * db
'''

SINGLE = '''\
"""Single samples, Nielsen style lists of weights and biases."""
import numpy as np
def sigmoid(z): return 1 / (1 + np.exp(-z))
def loss(params, x, y):
    W1, b1, W2, b2 = params
    a = sigmoid(W2 @ sigmoid(W1 @ x + b1) + b2)
    return 0.5 * np.linalg.norm(a - y) ** 2
def step(params, x, y, eta):
    W1, b1, W2, b2 = params
    h = sigmoid(W1 @ x + b1); a = sigmoid(W2 @ h + b2)
    delta = (a - y) * a * (1 - a)
    nabla_w2, nabla_b2 = np.outer(delta, h), delta
    delta = (W2.T @ delta) * h * (1 - h)
    nabla_w1, nabla_b1 = np.outer(delta, x), delta
    return [W1 - eta * nabla_w1, b1 - eta * nabla_b1, W2 - eta * nabla_w2, b2 - eta * nabla_b2]
'''

CORRECT = {
    "plain": PLAIN,
    "columns": COLUMNS,
    "labels": LABELS,
    "one-hot": ONE_HOT,
    "vectors": VECTORS,
    "single": SINGLE,
}
