"""Watching somebody's training script while it runs: what torch's hooks show becomes a `gdprops.model.ledger.Ledger`.

The files here only record; what is wrong with a run is decided by the chapter `live` in `gdprops.clauses`. An error of
this package ends the watching and is reported, and never reaches the watched run.
"""
