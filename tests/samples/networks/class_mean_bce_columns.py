# RIGHT: columns, layer_dims, parameters by number, separate backward and update with stored gradients
import numpy as np

class DeepNet:
    def __init__(self, layer_dims, learning_rate=0.0075):
        self.layer_dims = layer_dims
        self.learning_rate = learning_rate
        self.L = len(layer_dims) - 1
        self.parameters = {}
        for l in range(1, len(layer_dims)):
            self.parameters["W" + str(l)] = np.random.randn(layer_dims[l], layer_dims[l - 1]) * 0.01
            self.parameters["b" + str(l)] = np.zeros((layer_dims[l], 1))

    def forward(self, X):
        self.cache = {"A0": X}
        A = X
        for l in range(1, self.L + 1):
            Z = self.parameters["W" + str(l)] @ A + self.parameters["b" + str(l)]
            A = np.tanh(Z) if l < self.L else 1 / (1 + np.exp(-Z))
            self.cache["A" + str(l)] = A
        return A

    def backward(self, Y):
        m = Y.shape[1]
        self.grads = {}
        dZ = self.cache["A" + str(self.L)] - Y
        for l in range(self.L, 0, -1):
            self.grads["dW" + str(l)] = dZ @ self.cache["A" + str(l - 1)].T / m
            self.grads["db" + str(l)] = np.sum(dZ, axis=1, keepdims=True) / m
            if l > 1:
                dA = self.parameters["W" + str(l)].T @ dZ
                dZ = dA * (1 - self.cache["A" + str(l - 1)] ** 2)

    def update_parameters(self):
        for l in range(1, self.L + 1):
            self.parameters["W" + str(l)] -= self.learning_rate * self.grads["dW" + str(l)]
            self.parameters["b" + str(l)] -= self.learning_rate * self.grads["db" + str(l)]
