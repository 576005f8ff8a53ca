"""Published rules' code written as formulas: ``s["m"] = b1 * s["m"] + g`` is ``m ← β₁ * m + g``."""

from __future__ import annotations

import ast
from typing import cast, final

SYMBOLS = {
    "lr": "η",
    "eps": "ε",
    "eps1": "ε",
    "weight_decay": "λ",
    "b1": "β₁",
    "b2": "β₂",
    "betas": "(β₁, β₂)",
    "momentum": "μ",
    "mu": "μ",
    "dampening": "τ",
    "tau": "τ",
    "alpha": "α",
    "rho": "ρ",
    "lr_decay": "δ",
    "trust_coefficient": "c",
    "m_hat": "m̂",
    "v_hat": "v̂",
}
ENTRIES = {("betas", 0): "β₁", ("betas", 1): "β₂", ("etas", 0): "η₋", ("etas", 1): "η₊"}
OLD = "_then"
"""How the name ends under which code keeps what a state was before its update."""


def around(statement: ast.stmt, node: ast.expr) -> str:
    """Return the statement around a part; of several values that it assigns together, only the one with the part."""
    value = getattr(statement, "value", None)
    target = statement.targets[-1] if isinstance(statement, ast.Assign) else None
    if isinstance(value, ast.Tuple) and node is not value:
        k = next(k for k, one in enumerate(value.elts) if any(inner is node for inner in ast.walk(one)))
        name = f"{written(target.elts[k])} ← " if isinstance(target, ast.Tuple) else ""
        return f"{name}{written(value.elts[k])}"
    if isinstance(target, ast.Tuple) and node is value:
        return written(value)  # numbers that are only taken apart
    return written(statement)


def written(node: ast.AST) -> str:
    """Return an expression or a statement of a rule as a formula."""
    if isinstance(node, ast.Return) and node.value is not None:
        return written(node.value)
    if isinstance(node, ast.Assign):
        return f"{written(node.targets[-1])} ← {written(node.value)}"
    if isinstance(node, ast.AugAssign):
        return f"{written(node.target)} ← {written(ast.BinOp(node.target, node.op, node.value))}"
    return ast.unparse(_Written().visit(_copied(node)))


def _copied(node: ast.AST) -> ast.AST:
    return ast.parse(ast.unparse(ast.fix_missing_locations(node)), mode="eval").body


@final
class _Written(ast.NodeTransformer):
    """Puts symbols in the place of names, subscripts and the functions that rules use."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id.endswith(OLD):
            return ast.Name(f"{node.id.removesuffix(OLD)}_old", node.ctx)
        return ast.Name(SYMBOLS.get(node.id, node.id), node.ctx)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        if not isinstance(node.value, ast.Name) or not isinstance(node.slice, ast.Constant):
            return self.generic_visit(node)
        name, entry = node.value.id, node.slice.value
        if name == "s":
            return ast.Name(str(entry), node.ctx)
        symbol = ENTRIES.get((name, entry)) if isinstance(entry, int) else None
        return ast.Name(symbol, node.ctx) if symbol else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        given = [self.visit(one) for one in node.args]
        called = ast.unparse(node.func)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "astype":
            return cast("ast.AST", self.visit(node.func.value))
        if called in ("in_dtype", "kept_in_single", "scalar") and given:
            return cast("ast.AST", given[0])
        if called == "unbiased":
            return ast.BinOp(ast.Constant(1), ast.Sub(), ast.BinOp(given[0], ast.Pow(), given[1]))
        if called == "np.sqrt":
            return ast.Call(ast.Name("√"), given, [])
        name = ast.Name(called.removeprefix("np.").removeprefix("_"))
        return (
            name if any(isinstance(one, ast.Name) and one.id == "s" for one in node.args) else ast.Call(name, given, [])
        )
