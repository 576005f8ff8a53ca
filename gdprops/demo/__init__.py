"""`gdprops demo`: an experiment that answers the question with which the project began.

Does one step of gradient descent train a network layer by layer? It does not: it moves all layers at once.
"""
