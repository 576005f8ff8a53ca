"""The project of a user is run by the tests beside it, in an environment of its own; it is not collected here."""

collect_ignore = ["project"]
