"""Training steps on several processes (ranks): ``build(model, loss_fn, rank, world)`` returns the step of one rank.

`ranks` starts the processes and lets the step run in them; `reference` computes beside it what one process on the whole
batch would have done; `observed` puts both together, step by step, for the clauses to judge.
"""

NAME = "distributed-step"
"""The name of the kind, as ``--as`` takes it."""
