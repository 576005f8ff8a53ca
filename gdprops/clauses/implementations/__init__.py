"""How clauses are decided on subjects that gdprops cannot feed gradients: training steps and hand-written backprop.

A clause has one statement, in its chapter, and may have several implementations: for each kind of subject its own cases
and its own check. This folder holds the checks for training steps and for hand-written backprop.
"""
