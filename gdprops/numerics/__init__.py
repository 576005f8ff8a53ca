"""The numerics: exact arithmetic, error bounds, comparison, gradients of networks, the simultaneous step and the sweep.

Every threshold stands in `decisions.py`. Nothing here knows a subject or runs the user's code.
"""
