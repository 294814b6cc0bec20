"""Published config files read as data: they have the look of Python, and nothing of them is run."""

import ast
from pathlib import Path
from typing import Any

from wsss.errors import ArtifactError


def read_config_data(file: Path) -> dict[str, Any]:
    """Read a config that mmengine dumped: names with literals, lists, tuples, and ``dict(...)`` of them.

    Args:
        file: ``config.py`` of a published folder.

    Returns:
        Name -> value.

    Raises:
        ArtifactError: the file is absent, no Python, or holds anything that would have to be run.
    """
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        return dict(_assignment(statement) for statement in tree.body)
    # A nesting that is too deep is a MemoryError or a RecursionError.
    except (OSError, ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ArtifactError(
            f"expected a config of plain values at {file}, got: {str(error) or type(error).__name__}: "
            "do not use this folder, or run the stage segment again"
        ) from error


def _assignment(statement: ast.stmt) -> tuple[str, Any]:
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        raise ValueError(f"{type(statement).__name__} in line {statement.lineno}")
    target = statement.targets[0]
    if not isinstance(target, ast.Name):
        raise ValueError(f"{type(target).__name__} in line {statement.lineno}")
    return target.id, _value(statement.value)


def _value(node: ast.expr) -> Any:
    """The value of a literal, whose tables may be written as calls of dict."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        table = {}
        for positional in node.args:
            table.update(_value(positional))
        for keyword in node.keywords:
            table.update(
                {keyword.arg: _value(keyword.value)} if keyword.arg is not None else _value(keyword.value)
            )
        return table
    if isinstance(node, ast.Dict):
        if None in node.keys:
            raise ValueError(f"** in line {node.lineno}")
        return {
            ast.literal_eval(key): _value(value)
            for key, value in zip(node.keys, node.values, strict=True)
            if key is not None
        }
    if isinstance(node, ast.List | ast.Tuple):
        values = [_value(one) for one in node.elts]
        return values if isinstance(node, ast.List) else tuple(values)
    return ast.literal_eval(node)
