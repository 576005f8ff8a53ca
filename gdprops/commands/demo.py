"""``gdprops demo``: run the experiment with which the project began: does gradient descent train layer by layer?"""

from __future__ import annotations

import click


@click.command()
def demo() -> int:
    """Answer the question by an experiment: does gradient descent train layer by layer?

    Runs three programs on one small network, in NumPy, torch and (if it is installed) TensorFlow.

    \b
    Example: gdprops demo
    """
    from gdprops.demo.frameworks import frameworks
    from gdprops.demo.page import print_demo
    from gdprops.report.consoles import show as show_page

    show_page(lambda page: print_demo(page, frameworks()))
    return 0
