# RIGHT: a network that is made of layer objects of its own, a cost beside it, relu and sigmoid, columns
import numpy as np

class Layer:
    def __init__(self, n_inputs, n_units, activation="sigmoid"):
        self.W = np.random.randn(n_units, n_inputs) * np.sqrt(1 / n_inputs)
        self.b = np.zeros((n_units, 1))
        self.activation = activation
    def forward(self, A):
        self.A_prev = A
        self.Z = self.W @ A + self.b
        self.A = 1 / (1 + np.exp(-self.Z)) if self.activation == "sigmoid" else np.maximum(0, self.Z)
        return self.A

class NeuralNetwork:
    def __init__(self, layer_dims, learning_rate=0.01):
        self.layers = [Layer(layer_dims[i], layer_dims[i + 1], "relu" if i < len(layer_dims) - 2 else "sigmoid") for i in range(len(layer_dims) - 1)]
        self.learning_rate = learning_rate
    def forward(self, X):
        for layer in self.layers:
            X = layer.forward(X)
        return X
    def compute_cost(self, A, Y):
        m = Y.shape[1]
        return -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    def backward(self, Y):
        m = Y.shape[1]
        dZ = self.layers[-1].A - Y
        for i in reversed(range(len(self.layers))):
            layer = self.layers[i]
            layer.dW = dZ @ layer.A_prev.T / m
            layer.db = dZ.sum(axis=1, keepdims=True) / m
            if i > 0:
                dZ = (layer.W.T @ dZ) * (self.layers[i - 1].Z > 0)
    def update(self):
        for layer in self.layers:
            layer.W -= self.learning_rate * layer.dW
            layer.b -= self.learning_rate * layer.db
    def train(self, X, Y, epochs):
        for e in range(epochs):
            A = self.forward(X)
            self.backward(Y)
            self.update()
            if e % 100 == 0:
                print(self.compute_cost(A, Y))
