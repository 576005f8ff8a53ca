# RIGHT: names in another style, epochs as an attribute, a rate as an attribute
import numpy as np

class Net:
    def __init__(self, inputLayer_neurons, hiddenLayer_neurons, output_neurons):
        self.epoch = 5000
        self.lr = 0.05
        self.weights_ih = np.random.uniform(size=(inputLayer_neurons, hiddenLayer_neurons))
        self.bias_ih = np.zeros((1, hiddenLayer_neurons))
        self.weights_ho = np.random.uniform(size=(hiddenLayer_neurons, output_neurons))
        self.bias_ho = np.zeros((1, output_neurons))

    def FeedForward(self, X):
        self.h = 1 / (1 + np.exp(-(X @ self.weights_ih + self.bias_ih)))
        return 1 / (1 + np.exp(-(self.h @ self.weights_ho + self.bias_ho)))

    def Fit(self, X, y):
        for i in range(self.epoch):
            out = self.FeedForward(X)
            d_out = (y - out) * out * (1 - out)
            d_hidden = d_out @ self.weights_ho.T * self.h * (1 - self.h)
            self.weights_ho += self.h.T @ d_out * self.lr
            self.bias_ho += d_out.sum(axis=0, keepdims=True) * self.lr
            self.weights_ih += X.T @ d_hidden * self.lr
            self.bias_ih += d_hidden.sum(axis=0, keepdims=True) * self.lr
            if i % 1000 == 0:
                print("loss", np.mean((y - out) ** 2))

    def Predict(self, X):
        return self.FeedForward(X) > 0.5
