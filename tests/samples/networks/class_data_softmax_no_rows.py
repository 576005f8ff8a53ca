# WRONG 26: the gradient of W1 is not divided by the rows, all others are
import numpy as np
class NN:
    def __init__(self, X, Y, hidden=8, alpha=0.1):
        self.X = X; self.Y = Y
        self.m = X.shape[0]
        self.alpha = alpha
        self.W1 = np.random.randn(X.shape[1], hidden)
        self.b1 = np.zeros((1, hidden))
        self.W2 = np.random.randn(hidden, Y.shape[1])
        self.b2 = np.zeros((1, Y.shape[1]))
    def softmax(self, z):
        e = np.exp(z - np.max(z, axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    def forward_prop(self, X):
        Z1 = X.dot(self.W1) + self.b1
        A1 = np.maximum(Z1, 0)
        Z2 = A1.dot(self.W2) + self.b2
        return Z1, A1, Z2, self.softmax(Z2)
    def back_prop(self):
        Z1, A1, Z2, A2 = self.forward_prop(self.X)
        dZ2 = A2 - self.Y
        dW2 = A1.T.dot(dZ2) / self.m
        db2 = np.sum(dZ2, axis=0, keepdims=True) / self.m
        dZ1 = dZ2.dot(self.W2.T) * (Z1 > 0)
        dW1 = self.X.T.dot(dZ1)
        db1 = np.sum(dZ1, axis=0, keepdims=True) / self.m
        return dW1, db1, dW2, db2
    def train(self, iterations=500):
        for i in range(iterations):
            dW1, db1, dW2, db2 = self.back_prop()
            self.W1 -= self.alpha * dW1; self.b1 -= self.alpha * db1
            self.W2 -= self.alpha * dW2; self.b2 -= self.alpha * db2
