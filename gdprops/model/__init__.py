"""Plain data: what a clause, a case, a subject and a verdict are. Imports no numpy, torch or hypothesis."""
