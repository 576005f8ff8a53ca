"""The probe: measures once, on fixed tensors, what kind of rule a fed subject is. One file for each trait.

It reports traits and never a verdict; no clause lives here.
"""
