"""The matrix of the site: which optimizers of which packages were examined, and what was found in them.

``results`` has one file for each package, made of a survey by ``condense.py``. ``readings`` has what a person decided
after reading the package's source: findings, and violations that are choices. Nothing here is part of the package.
"""
