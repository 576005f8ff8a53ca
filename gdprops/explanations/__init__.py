"""Explain violations: say in words what a wrong subject does instead of the specified update.

Each explanation is a hypothesis that was tested by experiments. It is printed only if it reproduces every failing
example that was kept. There is one folder per kind of subject that can be explained. Nothing here changes a verdict.
"""
