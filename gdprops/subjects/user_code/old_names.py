"""Names that a later Python or NumPy took away: ``xrange``, ``np.float``, ``np.int``. Each is read as what it was.

Old course material is full of them. They do not change what is computed, so the code is read as it was meant, and the
lines are told.
"""

from __future__ import annotations

import ast

NUMPY = ("np", "numpy")
ALIASES = {"float": "float", "int": "int", "bool": "bool", "object": "object", "str": "str", "complex": "complex"}
"""What NumPy 1.24 took away: names of Python's own types."""
RENAMED = {"float_": "float64", "infty": "inf", "Inf": "inf", "product": "prod", "alltrue": "all", "in1d": "isin"}
"""What NumPy 2 took away, and what it is called now."""
BUILTINS = {"xrange": "range", "raw_input": "input", "unicode": "str", "long": "int"}
"""What Python 3 took away."""


def with_new_names(tree: ast.Module) -> tuple[str, ...]:
    """Replace names that are gone, and return that as sentences."""
    bound = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    renaming = _Renaming(bound)
    renaming.visit(tree)
    return tuple(
        f"{old} is gone from {'NumPy' if '.' in old else 'Python 3'}: it was read as {new} (line {line})"
        for (old, new), line in renaming.first.items()
    )


class _Renaming(ast.NodeTransformer):
    """Puts names of today in the place of old ones, and notes the first line of each."""

    def __init__(self, bound: set[str]) -> None:
        self.bound = bound
        self.first: dict[tuple[str, str], int] = {}

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Replace ``np.float`` by ``float``, and ``np.product`` by ``np.prod``."""
        self.generic_visit(node)
        if not (isinstance(node.value, ast.Name) and node.value.id in NUMPY):
            return node
        if node.attr in ALIASES:
            return self._noted(node, f"{node.value.id}.{node.attr}", ast.Name(ALIASES[node.attr], node.ctx))
        if node.attr in RENAMED:
            old, new = f"{node.value.id}.{node.attr}", RENAMED[node.attr]
            return self._noted(node, old, ast.Attribute(node.value, new, node.ctx))
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace ``xrange`` by ``range``, unless the file binds the name itself."""
        if node.id in BUILTINS and node.id not in self.bound:
            return self._noted(node, node.id, ast.Name(BUILTINS[node.id], node.ctx))
        return node

    def _noted(self, node: ast.expr, old: str, new: ast.expr) -> ast.expr:
        self.first.setdefault((old, ast.unparse(new)), node.lineno)
        return ast.copy_location(new, node)
