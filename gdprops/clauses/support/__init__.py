"""What the checks of several clauses share: running subjects, watching steps, noise floors, comparisons.

No clause is declared here. Checks reach it through `workbench.py`, which loads nothing heavy until a check runs.
"""
