# WRONG: six weights by name, two inputs, one sample after the other, rounds in a local name; b1 lacks w5
import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

class TinyNetwork:
    def __init__(self):
        self.w1, self.w2, self.w3 = np.random.normal(), np.random.normal(), np.random.normal()
        self.w4, self.w5, self.w6 = np.random.normal(), np.random.normal(), np.random.normal()
        self.b1, self.b2, self.b3 = np.random.normal(), np.random.normal(), np.random.normal()

    def feedforward(self, x):
        h1 = sigmoid(self.w1 * x[0] + self.w2 * x[1] + self.b1)
        h2 = sigmoid(self.w3 * x[0] + self.w4 * x[1] + self.b2)
        return sigmoid(self.w5 * h1 + self.w6 * h2 + self.b3)

    def train(self, data, all_y_trues):
        learn_rate = 0.1
        epochs = 1000
        for epoch in range(epochs):
            for x, y_true in zip(data, all_y_trues):
                h1 = sigmoid(self.w1 * x[0] + self.w2 * x[1] + self.b1)
                h2 = sigmoid(self.w3 * x[0] + self.w4 * x[1] + self.b2)
                o = sigmoid(self.w5 * h1 + self.w6 * h2 + self.b3)
                d = -2 * (y_true - o) * o * (1 - o)
                d1 = d * self.w5 * h1 * (1 - h1)
                d2 = d * self.w6 * h2 * (1 - h2)
                d_b1 = d * h1 * (1 - h1)
                self.w5 -= learn_rate * d * h1
                self.w6 -= learn_rate * d * h2
                self.b3 -= learn_rate * d
                self.w1 -= learn_rate * d1 * x[0]
                self.w2 -= learn_rate * d1 * x[1]
                self.b1 -= learn_rate * d_b1
                self.w3 -= learn_rate * d2 * x[0]
                self.w4 -= learn_rate * d2 * x[1]
                self.b2 -= learn_rate * d2
