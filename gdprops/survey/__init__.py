"""`gdprops survey`: examine every optimizer of some modules, each in its own process, and show the results as a matrix.

This package finds the optimizers, starts the processes, and holds and renders the data of a survey. The runner decides
the verdicts.
"""
