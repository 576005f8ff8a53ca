"""The engine: selection, running, profiles, saved cases. One way for the command line, pytest and `gdprops.check`."""
