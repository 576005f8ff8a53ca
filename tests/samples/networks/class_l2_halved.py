# WRONG 27: the penalty on W1 is halved
import numpy as np

def relu(z):
    return np.maximum(0, z)

class Network:
    def __init__(self, input_dim, hidden_dim, output_dim, reg=0.01, lr=0.05):
        self.W1 = np.random.randn(input_dim, hidden_dim)
        self.b1 = np.zeros(hidden_dim)
        self.W2 = np.random.randn(hidden_dim, output_dim)
        self.b2 = np.zeros(output_dim)
        self.reg, self.lr = reg, lr

    def forward(self, X):
        self.z1 = X @ self.W1 + self.b1
        self.a1 = relu(self.z1)
        return self.a1 @ self.W2 + self.b2

    def train_step(self, X, y):
        out = self.forward(X)
        delta2 = (out - y) / X.shape[0]
        dW2 = self.a1.T @ delta2 + 0.02 * self.W2
        db2 = delta2.sum(axis=0)
        delta1 = delta2 @ self.W2.T
        delta1[self.z1 <= 0] = 0
        dW1 = X.T @ delta1 + 0.01 * self.W1
        db1 = delta1.sum(axis=0)
        self.W1 -= self.lr * dW1
        self.b1 -= self.lr * db1
        self.W2 -= self.lr * dW2
        self.b2 -= self.lr * db2
