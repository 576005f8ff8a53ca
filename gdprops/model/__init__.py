"""The plain data that all other folders share: clauses, cases, subjects, evidence, verdicts.

Nothing here imports torch or hypothesis at run time, and nothing here runs the user's code.
"""
