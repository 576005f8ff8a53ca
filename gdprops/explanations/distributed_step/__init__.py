"""What several ranks do instead of one simultaneous step, found by replaying it on one process.

A hypothesis says where each rank would end. It is told only if every wrong number of every failing example is there.
"""
