# WRONG 22: a function that makes its weights and trains them: W2 has moved before the error goes through it
import numpy as np

def train(inputs, targets, hidden_units=8, epochs=1000, learning_rate=0.1):
    rng = np.random.default_rng(1)
    W1 = rng.normal(size=(inputs.shape[1], hidden_units))
    W2 = rng.normal(size=(hidden_units, targets.shape[1]))
    history = []
    for epoch in range(epochs):
        hidden = np.tanh(inputs @ W1)
        predicted = hidden @ W2
        error = predicted - targets
        history.append((error ** 2).mean())
        if epoch % 100 == 0:
            print(epoch, history[-1])

        # output layer
        gradient = hidden.T @ error
        W2 -= learning_rate * gradient

        # hidden layer
        back = (error @ W2.T) * (1 - hidden ** 2)
        W1 -= learning_rate * (inputs.T @ back)
    return W1, W2
