# RIGHT: parameters in a dict, relu and softmax, integer labels, a rate in fit, epochs, prints and a plot at the end
import numpy as np
import matplotlib.pyplot as plt

class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, std=1e-2):
        self.params = {}
        self.params["W1"] = std * np.random.randn(input_size, hidden_size)
        self.params["b1"] = np.zeros(hidden_size)
        self.params["W2"] = std * np.random.randn(hidden_size, output_size)
        self.params["b2"] = np.zeros(output_size)

    def forward(self, X):
        self.z1 = X.dot(self.params["W1"]) + self.params["b1"]
        self.a1 = np.maximum(0, self.z1)
        scores = self.a1.dot(self.params["W2"]) + self.params["b2"]
        exp_scores = np.exp(scores - np.max(scores, axis=1, keepdims=True))
        self.probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
        return self.probs

    def fit(self, X, y, learning_rate=1e-1, epochs=100, verbose=True):
        N = X.shape[0]
        for epoch in range(epochs):
            probs = self.forward(X)
            loss = -np.log(probs[np.arange(N), y]).mean()
            dscores = probs.copy()
            dscores[np.arange(N), y] -= 1
            dscores /= N
            dW2 = self.a1.T.dot(dscores)
            db2 = np.sum(dscores, axis=0)
            dhidden = dscores.dot(self.params["W2"].T)
            dhidden[self.z1 <= 0] = 0
            dW1 = X.T.dot(dhidden)
            db1 = np.sum(dhidden, axis=0)
            self.params["W1"] -= learning_rate * dW1
            self.params["b1"] -= learning_rate * db1
            self.params["W2"] -= learning_rate * dW2
            self.params["b2"] -= learning_rate * db2
            if verbose:
                print("epoch", epoch, "loss", loss)

    def predict(self, X):
        return np.argmax(self.forward(X), axis=1)

net = TwoLayerNet(2, 10, 3)
net.fit(np.random.randn(30, 2), np.random.randint(0, 3, 30))
plt.plot([1, 2, 3])
plt.show()
