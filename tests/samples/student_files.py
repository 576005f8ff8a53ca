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

CAST_LABELS = '''\
"""Labels that are cast, and a penalty that is felt even where there is one class only."""
import numpy as np
def probabilities(params, X):
    s = X @ params["W"] + params["b"]
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
def loss(params, X, y):
    q = probabilities(params, X)
    return -np.mean(np.log(q[np.arange(len(X)), y.astype(int)])) + 0.05 * np.sum(params["W"] ** 2)
def step(params, X, y, lr):
    d = probabilities(params, X)
    d[np.arange(len(X)), y.astype(int)] -= 1
    params["W"] -= lr * (X.T @ d / len(X) + 0.1 * params["W"])
    params["b"] -= lr * d.mean(axis=0)
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

CLASS = '''\
"""A class wrapped in functions; relu; MSE over everything; row biases (1, n)."""
import numpy as np

class NeuralNetwork:
    def __init__(self, weights):
        self.W = [weights["W1"].copy(), weights["W2"].copy(), weights["W3"].copy()]
        self.b = [weights["b1"].copy(), weights["b2"].copy(), weights["b3"].copy()]

    def forward(self, X):
        self.a, self.z = [X], []
        for i, (W, b) in enumerate(zip(self.W, self.b)):
            z = self.a[-1].dot(W) + b
            self.z.append(z)
            self.a.append(np.maximum(z, 0) if i < 2 else z)
        return self.a[-1]

    def backward(self, y):
        grads = []
        delta = 2.0 * (self.a[-1] - y) / y.size
        for i in range(2, -1, -1):
            grads.insert(0, (self.a[i].T.dot(delta), np.sum(delta, axis=0, keepdims=True)))
            if i > 0:
                delta = delta.dot(self.W[i].T)
                delta[self.z[i - 1] <= 0] = 0
        return grads

    def sgd(self, grads, learning_rate):
        for i, (dW, db) in enumerate(grads):
            self.W[i] -= learning_rate * dW
            self.b[i] -= learning_rate * db

def loss(params, X, y):
    return ((NeuralNetwork(params).forward(X) - y) ** 2).mean()

def step(params, X, y, lr=0.01):
    net = NeuralNetwork(params)
    net.forward(X)
    net.sgd(net.backward(y), lr)
    return {"W1": net.W[0], "b1": net.b[0], "W2": net.W[1], "b2": net.b[1], "W3": net.W[2], "b3": net.b[2]}
'''

MASKED = '''\
"""Binary logistic regression, theta vector, y in {0, 1} used as a mask, float32 inside, L2 penalty."""
import numpy as np
LAMBDA = 0.1

def h(theta, X):
    return 1.0 / (1.0 + np.exp(-X.dot(theta)))

def loss(params, X, y):
    p = h(params["theta"], X)
    per_row = np.where(y == 1, -np.log(p), -np.log(1 - p))
    return per_row.mean() + LAMBDA / 2 * (params["theta"] ** 2).sum()

def step(params, X, y, alpha):
    theta = params["theta"]
    grad = X.T.dot(h(theta, X) - y) / len(y) + LAMBDA * theta
    params["theta"] = theta - alpha * grad
    return params
'''

LOOPS = '''\
"""Everything in Python loops over samples and neurons, lists, columns of a matrix one at a time; gradients and step."""
import math
import numpy as np

def _forward(params, x):
    V, c, U, d = params
    hidden = [math.tanh(sum(V[j][i] * x[i] for i in range(len(x))) + c[j]) for j in range(len(c))]
    out = [sum(U[k][j] * hidden[j] for j in range(len(hidden))) + d[k] for k in range(len(d))]
    m = max(out)
    e = [math.exp(o - m) for o in out]
    return hidden, [v / sum(e) for v in e]

def loss(params, X, y):
    total = 0
    for x, label in zip(X, y):
        total -= math.log(_forward(params, x)[1][int(label)] + 1e-9)
    return total / len(X)

def gradients(params, X, y):
    V, c, U, d = params
    dV, dc, dU, dd = np.zeros_like(V), np.zeros_like(c), np.zeros_like(U), np.zeros_like(d)
    for x, label in zip(X, y):
        hidden, p = _forward(params, x)
        err = [p[k] - (1 if k == label else 0) for k in range(len(p))]
        for k in range(len(d)):
            dd[k] += err[k] / len(X)
            for j in range(len(c)):
                dU[k][j] += err[k] * hidden[j] / len(X)
        for j in range(len(c)):
            back = sum(err[k] * U[k][j] for k in range(len(d))) * (1 - hidden[j] ** 2)
            dc[j] += back / len(X)
            for i in range(len(x)):
                dV[j][i] += back * x[i] / len(X)
    return [dV, dc, dU, dd]

def step(params, X, y, lr):
    for w, g in zip(params, gradients(params, X, y)):
        w -= lr * g
'''

OVERWRITES = '''\
"""Loop over samples that overwrites instead of adding for the first layer."""
import numpy as np
def sigmoid(z): return 1 / (1 + np.exp(-z))
def loss(params, X, y):
    a = sigmoid(sigmoid(X @ params["W1"] + params["b1"]) @ params["W2"] + params["b2"])
    return np.sum((a - y) ** 2) / (2 * len(X))
def step(params, X, y, lr):
    n = len(X)
    dW1, db1 = np.zeros_like(params["W1"]), np.zeros_like(params["b1"])
    dW2, db2 = np.zeros_like(params["W2"]), np.zeros_like(params["b2"])
    for x, t in zip(X, y):
        h = sigmoid(x @ params["W1"] + params["b1"])
        a = sigmoid(h @ params["W2"] + params["b2"])
        d2 = (a - t) * a * (1 - a)
        d1 = params["W2"] @ d2 * h * (1 - h)
        dW2 += np.outer(h, d2); db2 += d2
        dW1 = np.outer(x, d1); db1 += d1
    for k, g in (("W1", dW1), ("b1", db1), ("W2", dW2), ("b2", db2)):
        params[k] -= lr * g / n
'''

FORGETS_THE_PENALTY = '''\
"""Softmax classifier whose 'sgd' has momentum, and which forgets the penalty in the gradient."""
import numpy as np
velocity = {}
def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True)); return e / e.sum(axis=1, keepdims=True)
def loss(params, X, y):
    p = softmax(X @ params["W"] + params["b"])
    return -np.mean(np.log(p[np.arange(len(y)), y])) + 0.05 * np.sum(params["W"] ** 2)
def step(params, X, y, lr):
    p = softmax(X @ params["W"] + params["b"])
    p[np.arange(len(y)), y] -= 1
    params["W"] -= lr * (X.T @ p / len(y))
    params["b"] -= lr * p.mean(axis=0)
'''

MASKS_THE_ERROR = '''\
"""Relu gradient mask from the wrong layer input: mask from the gradient (guided) and columns."""
import numpy as np
def loss(params, X, Y):
    A = np.maximum(0, params["W1"] @ X + params["b1"])
    return np.sum((params["W2"] @ A + params["b2"] - Y) ** 2) / (2 * X.shape[1])
def step(params, X, Y, eta):
    m = X.shape[1]
    Z = params["W1"] @ X + params["b1"]
    A = np.maximum(0, Z)
    E = params["W2"] @ A + params["b2"] - Y
    dA = params["W2"].T @ E
    dZ = np.where(dA > 0, dA, 0)
    params["W2"] -= eta * E @ A.T / m
    params["b2"] -= eta * E.sum(1, keepdims=True) / m
    params["W1"] -= eta * dZ @ X.T / m
    params["b1"] -= eta * dZ.sum(1, keepdims=True) / m
'''

ONE_OUTPUT = """\
import numpy as np

def predict(p, X):
    h = np.tanh(X @ p["W1"] + p["b1"])
    return h, h @ p["W2"] + p["b2"]

def loss(p, X, y):
    return np.mean((predict(p, X)[1] - y) ** 2)

def step(p, X, y, lr):
    h, out = predict(p, X)
    d = 2 * (out - y) / len(X)
    dh = d @ p["W2"].T * (1 - h**2)
    for name, g in (("W2", h.T @ d), ("b2", d.sum(0)), ("W1", X.T @ dh), ("b1", dh.sum(0))):
        p[name] -= lr * g
"""

RESHAPES = (
    ONE_OUTPUT.replace("np.mean((", "0.5 / len(X) * np.sum((")
    .replace("2 * (out - y)", "(out - y)")
    .replace('p["W2"].T', 'p["W2"].reshape(p["W2"].shape[::-1])')
)
"""Takes a reshape for a transpose: the same as long as there is one output."""
FEW_ROWS = ONE_OUTPUT.replace("len(X)", "min(len(X), 3)").replace("np.mean((", "1 / len(X) * np.sum((")
"""Forgets how many rows there are beyond three."""

BACK_TO_FRONT = """\
import numpy as np

def loss(p, x, y):
    return 0.5 * np.sum((p["W2"] @ np.tanh(p["W1"] @ x + p["b1"]) + p["b2"] - y) ** 2)

def step(p, x, y, lr):
    h = np.tanh(p["W1"] @ x + p["b1"])
    d = p["W2"] @ h + p["b2"] - y
    dh = p["W2"].T @ d * (1 - h**2)
    for name, g in (("W2", np.outer(d, h)), ("b2", d), ("W1", np.outer(dh, x)), ("b1", dh)):
        p[name] -= lr * g
"""
"""Python evaluates the last layer's weights first."""
FITS_NOT_ONE_INPUT = (
    BACK_TO_FRONT
    + """\

def shapes(i, h, o):
    return {"W1": (h, max(i, 2)), "b1": (h,), "W2": (o, h), "b2": (o,)}
"""
)
"""Its loss raises where X has one column."""

CORRECT = {
    "plain": PLAIN,
    "columns": COLUMNS,
    "labels": LABELS,
    "cast labels": CAST_LABELS,
    "one-hot": ONE_HOT,
    "vectors": VECTORS,
    "single": SINGLE,
    "class": CLASS,
    "masked": MASKED,
    "loops": LOOPS,
    "one output": ONE_OUTPUT,
    "back to front": BACK_TO_FRONT,
}


def altered(text: str, *changes: tuple[str, str]) -> str:
    """Return a file with something done wrong in it."""
    for right, wrong in changes:
        assert right in text
        text = text.replace(right, wrong)
    return text


WRONG = {
    "W1: moved by the gradient of the last row alone": OVERWRITES,
    "W: the gradient lacks 0.1 times the weights themselves (a penalty on the weights that the loss has)": (
        FORGETS_THE_PENALTY
    ),
    "W1, b1: the derivative of the activation (relu) is taken at the error that comes back instead of at z": (
        MASKS_THE_ERROR
    ),
    "the step uses the already updated weights of the next layer, params[2]: "
    "with every write put off to the end of the step, it is right": altered(
        ONE_HOT,
        ("    da = d @ W2.T", "    W2 = W2 - lr * dW2\n    da = d @ W2.T"),
        ("W2 - lr * dW2, b2", "W2, b2"),
    ),
    "params[0], params[1]: the derivative of the activation (sigmoid) is taken at the activation h = f(z) "
    "instead of at z": altered(SINGLE, ("delta) * h * (1 - h)", "delta) * sigmoid(h) * (1 - sigmoid(h))")),
    "w: moved half as far": altered(VECTORS, ("2 * X.T @ e", "X.T @ e")),
    "b2: moved less far by the number of rows (the gradient is divided by them, or once too often)": altered(
        PLAIN, ('params["b2"] -= lr * d.sum(axis=0)', 'params["b2"] -= lr * d.mean(axis=0)')
    ),
    "W1, b1: the derivative of the activation (tanh) is missing": altered(PLAIN, (" * (1 - h**2)", "")),
}
"""What is said of files that are wrong in one way."""
