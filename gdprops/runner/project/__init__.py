"""What a project says of itself: `[tool.gdprops]` in pyproject.toml, accepted violations, and the terms it is held to.

Nothing here runs a subject.
"""
