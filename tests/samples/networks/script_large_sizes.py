# WRONG 13: a script with large sizes: the gradient of relu is not applied
import numpy as np

N, D_in, H, D_out = 64, 1000, 100, 10
x, y = np.random.randn(N, D_in), np.random.randn(N, D_out)
w1, w2 = np.random.randn(D_in, H), np.random.randn(H, D_out)
learning_rate = 1e-6
for t in range(500):
    h = np.maximum(x @ w1, 0)
    y_pred = h @ w2
    loss = np.square(y_pred - y).sum()
    grad = 2.0 * (y_pred - y)
    grad_h = grad @ w2.T
    grad_w2 = h.T @ grad
    grad_w1 = x.T @ grad_h
    w1 -= learning_rate * grad_w1
    w2 -= learning_rate * grad_w2
