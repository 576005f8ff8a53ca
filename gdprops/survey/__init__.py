"""`gdprops survey`: every optimizer of some modules, each examined in a process of its own, as one matrix.

Discovery, processes, data and renderings of a survey live here. What one examination finds comes from the runner.
"""
