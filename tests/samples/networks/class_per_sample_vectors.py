# RIGHT: one sample at a time as a vector, np.outer, train goes through the samples
import numpy as np

class Brain:
    def __init__(self, inputs, hidden, outputs, eta=0.5):
        self.hidden_weights = np.random.rand(hidden, inputs)
        self.hidden_bias = np.random.rand(hidden)
        self.output_weights = np.random.rand(outputs, hidden)
        self.output_bias = np.random.rand(outputs)
        self.eta = eta

    def think(self, x):
        self.h = 1 / (1 + np.exp(-(self.hidden_weights.dot(x) + self.hidden_bias)))
        self.o = 1 / (1 + np.exp(-(self.output_weights.dot(self.h) + self.output_bias)))
        return self.o

    def learn(self, x, target):
        o = self.think(x)
        delta_o = (o - target) * o * (1 - o)
        delta_h = self.output_weights.T.dot(delta_o) * self.h * (1 - self.h)
        self.output_weights -= self.eta * np.outer(delta_o, self.h)
        self.output_bias -= self.eta * delta_o
        self.hidden_weights -= self.eta * np.outer(delta_h, x)
        self.hidden_bias -= self.eta * delta_h
