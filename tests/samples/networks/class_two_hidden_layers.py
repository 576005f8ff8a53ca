# RIGHT: two hidden layers, cross-entropy by its delta; the squared error is only printed
import numpy as np

class NeuralNetwork:
    """two hidden layers"""
    def __init__(self, input_size, hidden1_size, hidden2_size, output_size):
        self.w1 = np.random.randn(input_size, hidden1_size)
        self.w2 = np.random.randn(hidden1_size, hidden2_size)
        self.w3 = np.random.randn(hidden2_size, output_size)
        self.b1 = np.zeros((1, hidden1_size))
        self.b2 = np.zeros((1, hidden2_size))
        self.b3 = np.zeros((1, output_size))
    def sigmoid(self, x):
        return 1 / (1 + np.exp(-x))
    def forward(self, x):
        self.a1 = self.sigmoid(x @ self.w1 + self.b1)
        self.a2 = self.sigmoid(self.a1 @ self.w2 + self.b2)
        self.out = self.sigmoid(self.a2 @ self.w3 + self.b3)
        return self.out
    def backward(self, x, y, learning_rate):
        m = x.shape[0]
        d3 = self.out - y
        d2 = d3 @ self.w3.T * self.a2 * (1 - self.a2)
        d1 = d2 @ self.w2.T * self.a1 * (1 - self.a1)
        self.w3 -= learning_rate * (self.a2.T @ d3) / m
        self.b3 -= learning_rate * np.sum(d3, axis=0, keepdims=True) / m
        self.w2 -= learning_rate * (self.a1.T @ d2) / m
        self.b2 -= learning_rate * np.sum(d2, axis=0, keepdims=True) / m
        self.w1 -= learning_rate * (x.T @ d1) / m
        self.b1 -= learning_rate * np.sum(d1, axis=0, keepdims=True) / m
    def train(self, X, y, epochs=1000, learning_rate=0.1):
        for epoch in range(epochs):
            output = self.forward(X)
            self.backward(X, y, learning_rate)
            if epoch % 100 == 0:
                loss = np.mean(np.square(y - output))
                print(f"Epoch {epoch}, Loss: {loss}")
