"""Trees read from a file, checked before compiled code walks them.

A branch that points outside its tree, or back to itself, would make compiled code read memory that
is not its own or never return. Every tree scikit-learn grows has its branches further on.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np


def trees_are_sound(estimator: Any) -> bool:
    """Whether every tree inside an estimator has only branches and features that exist."""
    return all(_is_sound(tree, width) for tree, width in _trees(estimator, 0))


def _is_tree(part: Any) -> bool:
    return hasattr(part, "children_left")


def _trees(part: Any, width: int, depth: int = 0) -> Iterator[tuple[Any, int]]:
    """Every tree below `part`, with the number of features the estimator around it checks for."""
    if depth > 30:
        return
    if _is_tree(part) or (hasattr(part, "nodes") and hasattr(part, "raw_left_cat_bitsets")):
        yield part, width
        return
    inside: Any = ()
    if isinstance(part, dict):
        inside = part.values()
    elif isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
        inside = part
    elif hasattr(part, "__dict__"):
        inside, width = vars(part).values(), getattr(part, "n_features_in_", width)
    for value in inside:
        yield from _trees(value, width, depth + 1)


def _is_sound(tree: Any, width: int) -> bool:
    if _is_tree(tree):
        leaf = tree.children_left == -1
        left, right, feature = tree.children_left, tree.children_right, tree.feature
        matching = len(tree.value) == tree.node_count and ((right == -1) == leaf).all()
    else:
        nodes = tree.nodes
        if not isinstance(nodes, np.ndarray) or nodes.dtype.names is None or nodes["is_categorical"].any():
            return False
        leaf = nodes["is_leaf"].astype(bool)
        left, right, feature = (nodes[name].astype(np.int64) for name in ("left", "right", "feature_idx"))
        matching = True
    own, count = np.flatnonzero(~leaf), len(left)
    further = all(((branch[own] > own) & (branch[own] < count)).all() for branch in (left, right))
    known = ((feature[own] >= 0) & (feature[own] < width)).all()
    return bool(matching and count and further and known)
