# WRONG 15, 14: W2 is moved before the hidden error goes back through it
import numpy as np

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

def predict(X, W1, b1, W2, b2):
    return sigmoid(np.tanh(X @ W1 + b1) @ W2 + b2)

def train_step(X, y, W1, b1, W2, b2, lr):
    h = np.tanh(X @ W1 + b1)
    out = sigmoid(h @ W2 + b2)
    delta = out - y
    W2 = W2 - lr * h.T @ delta
    b2 = b2 - lr * delta.sum(axis=0)
    dh = (delta @ W2.T) * (1 - h ** 2)
    W1 = W1 - lr * X.T @ dh
    b1 = b1 - lr * dh.sum(axis=0)
    return W1, b1, W2, b2

if __name__ == "__main__":
    X = np.random.rand(100, 2)
    for _ in range(1000):
        pass
