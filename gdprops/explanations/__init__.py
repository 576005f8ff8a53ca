"""Explain violations: say in words what a wrong subject does instead of the specified update.

Each explanation is a hypothesis that was tested by experiments. It is printed only if it reproduces every failing
example that was kept. `published_rule.py` explains optimizers and update
rules that declare a rule; training steps and hand-written backprop have a folder each. Nothing here changes a verdict.
"""
