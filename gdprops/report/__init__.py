"""Render verdicts for readers and programs: one output format per file, made from the plain data of verdicts."""
