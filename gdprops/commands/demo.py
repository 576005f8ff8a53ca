"""``gdprops demo``: the question that the project began with, answered by running it."""

from __future__ import annotations

import click


@click.command()
def demo() -> int:
    """Answer the question by running it: does gradient descent train layer by layer?

    Three programs on one small network, in NumPy, torch and (where it is installed) TensorFlow.

    \b
    Example: gdprops demo
    """
    from gdprops.demo.frameworks import frameworks
    from gdprops.demo.page import print_demo
    from gdprops.report.consoles import show as show_page

    show_page(lambda page: print_demo(page, frameworks()))
    return 0
