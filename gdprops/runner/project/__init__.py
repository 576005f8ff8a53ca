"""The files in which a project configures gdprops: `[tool.gdprops]` in pyproject.toml, and accepted violations.

Nothing here runs a subject.
"""
