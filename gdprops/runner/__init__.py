"""The engine that runs clauses on a subject and turns the results into verdicts.

The command line, the pytest plugin and `gdprops.check` all use it, so that all of them give the same verdicts.
`session.py` is the place to start reading.
"""
