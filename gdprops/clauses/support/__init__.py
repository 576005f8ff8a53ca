"""What the checks of several clauses share: how a subject is run, how its steps are watched and compared.

No clause is declared here. The checks import `workbench`, through `lazy`, so that reading the specification does not
load numpy or hypothesis.
"""
