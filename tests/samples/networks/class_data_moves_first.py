# WRONG 13: weights2 has moved when it is read again
import numpy as np
def sigmoid(z): return 1 / (1 + np.exp(-z))
class NeuralNetwork:
    def __init__(self, x, y):
        self.input, self.y = x, y
        self.weights1, self.weights2 = np.random.rand(x.shape[1], 4), np.random.rand(4, y.shape[1])
    def feedforward(self):
        self.layer1 = sigmoid(self.input @ self.weights1)
        self.output = sigmoid(self.layer1 @ self.weights2)
    def backprop(self):
        d = 2 * (self.y - self.output) * self.output * (1 - self.output)
        self.weights2 += self.layer1.T @ d
        self.weights1 += self.input.T @ (d @ self.weights2.T * self.layer1 * (1 - self.layer1))
