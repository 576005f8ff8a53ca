"""The addresses that scripts printed by gdprops 0.1.0 import from. New ones import from `gdprops.script_imports`."""
