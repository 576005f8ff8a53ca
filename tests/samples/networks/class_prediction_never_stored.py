# WRONG 13: backprop reads a prediction that nobody stored, zeros for ever
import numpy as np

class Net:
    def __init__(self, x, y):
        self.x, self.y = x, y
        self.w1 = np.random.rand(x.shape[1], 4)
        self.w2 = np.random.rand(4, y.shape[1])
        self.output = np.zeros(y.shape)

    def feedforward(self):
        self.layer1 = 1 / (1 + np.exp(-self.x @ self.w1))
        return 1 / (1 + np.exp(-self.layer1 @ self.w2))

    def backprop(self):
        self.feedforward()
        d = (self.y - self.output) * self.output * (1 - self.output)
        self.w2 += self.layer1.T @ d
        self.w1 += self.x.T @ (d @ self.w2.T * self.layer1 * (1 - self.layer1))
