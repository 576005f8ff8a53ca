"""Strategies: networks, batches, hyperparameters, partitions and orders, drawn so that they shrink to exercises.

Nothing here runs a subject or decides a clause.
"""
