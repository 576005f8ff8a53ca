"""The addresses from which scripts printed by gdprops 0.1.0 import. New scripts import from `gdprops.scripts`."""
