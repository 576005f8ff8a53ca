# RIGHT: weights in dicts, made in a loop; batches, and in them a loop over the samples that adds up
import numpy as np

table = np.genfromtxt("students.csv", delimiter=",")
X_train, y_train = table[:, :-1], table[:, -1:]
architecture = [(3, 4), (4, 2)]
weights, biases = {}, {}
for i, (a, b) in enumerate(architecture):
    weights["W%d" % i] = np.random.randn(a, b) * 0.1
    biases["b%d" % i] = np.zeros((1, b))
learning_rate, batch_size = 0.1, 10

for epoch in range(9):
    order = np.arange(X_train.shape[0])
    np.random.shuffle(order)
    for start in range(0, X_train.shape[0], batch_size):
        X_batch, y_batch = X_train[order[start:start + batch_size]], y_train[order[start:start + batch_size]]
        sums = {"W0": 0, "W1": 0, "b0": 0, "b1": 0}
        for i in range(X_batch.shape[0]):
            h = np.tanh(X_batch[i] @ weights["W0"] + biases["b0"])
            out = h @ weights["W1"] + biases["b1"]
            error = out - y_batch[i]
            back = error @ weights["W1"].T * (1 - h ** 2)
            sums["W1"] = sums["W1"] + h.T @ error
            sums["b1"] = sums["b1"] + error
            sums["W0"] = sums["W0"] + np.outer(X_batch[i], back)
            sums["b0"] = sums["b0"] + back
        for k in range(2):
            weights["W%d" % k] -= learning_rate * sums["W%d" % k] / len(X_batch)
            biases["b%d" % k] -= learning_rate * sums["b%d" % k] / len(X_batch)
