# RIGHT: forward returns a cache in a tuple, a mean squared error, an update in place
import numpy as np
def relu(x): return np.maximum(0, x)
def init_params(n_in, n_h, n_out):
    return {'W1': np.random.randn(n_in, n_h), 'b1': np.zeros(n_h), 'W2': np.random.randn(n_h, n_out), 'b2': np.zeros(n_out)}
def forward(params, X):
    z1 = X @ params['W1'] + params['b1']
    a1 = relu(z1)
    z2 = a1 @ params['W2'] + params['b2']
    return z2, (X, z1, a1)
def mse_loss(pred, y):
    return np.mean((pred - y) ** 2)
def backward(params, cache, pred, y):
    X, z1, a1 = cache
    n = y.size
    dz2 = 2 * (pred - y) / n
    grads = {}
    grads['W2'] = a1.T @ dz2
    grads['b2'] = dz2.sum(0)
    dz1 = (dz2 @ params['W2'].T) * (z1 > 0)
    grads['W1'] = X.T @ dz1
    grads['b1'] = dz1.sum(0)
    return grads
def sgd_step(params, grads, lr):
    for k in params:
        params[k] -= lr * grads[k]
    return params
def train(X, y, epochs=100, lr=0.01):
    params = init_params(X.shape[1], 16, y.shape[1])
    for _ in range(epochs):
        pred, cache = forward(params, X)
        grads = backward(params, cache, pred, y)
        params = sgd_step(params, grads, lr)
    return params
