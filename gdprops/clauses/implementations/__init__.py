"""Clauses on kinds of subjects that are not fed gradients: other cases and another check for one statement.

The statement itself stands in its chapter.
"""
