"""The processes that run a distributed step: one nursery, which loads torch once and forks ranks, and pools of ranks.

`messages` is what travels between the judging process and a rank. `nursery`, `rank`, `rank_run`, `read_back` and
`collectives` run in the processes, the others in the judging one. A pool in which anything went wrong is ended, and
forked anew.
"""
