# RIGHT: a script with a rate, biases, tanh, mean squared error printed, under a main guard
import numpy as np

rng = np.random.default_rng(0)
learning_rate = 0.05
W1 = rng.normal(size=(2, 5))
b1 = np.zeros((1, 5))
W2 = rng.normal(size=(5, 1))
b2 = np.zeros((1, 1))

if __name__ == "__main__":
    x_train = rng.normal(size=(50, 2))
    y_train = x_train[:, :1] * x_train[:, 1:]
    losses = []
    for epoch in range(2000):
        h = np.tanh(x_train @ W1 + b1)
        y_pred = h @ W2 + b2
        grad = 2 * (y_pred - y_train) / len(x_train)
        dW2 = h.T @ grad
        db2 = grad.sum(axis=0, keepdims=True)
        dh = grad @ W2.T * (1 - h ** 2)
        dW1 = x_train.T @ dh
        db1 = dh.sum(axis=0, keepdims=True)
        W1 -= learning_rate * dW1
        b1 -= learning_rate * db1
        W2 -= learning_rate * dW2
        b2 -= learning_rate * db2
        losses.append(np.mean((y_pred - y_train) ** 2))
