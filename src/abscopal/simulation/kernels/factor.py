"""LU factors of (1/(hγ))·I - J without pivoting, in an order that keeps them sparse.

The pattern is known when a model is compiled, so elimination is written out as arithmetic on the
non-zero entries alone; the order is Markowitz's (1957): the pivot that makes fewest new entries first.
"""

from dataclasses import dataclass

from abscopal.simulation.kernels.graph import Graph

Place = tuple[int, int]


@dataclass(frozen=True)
class Factors:
    """A factorisation as graph nodes.

    Attributes
    ----------
    order : tuple of int
        States in the order of elimination.
    nodes : dict of (row, column) to int
        Multipliers below the diagonal of the reordered matrix, inverse pivots on it, U above it.
    """

    order: tuple[int, ...]
    nodes: dict[Place, int]


def markowitz_order(n: int, pattern: set[Place]) -> tuple[int, ...]:
    """Order of the diagonal pivots that makes few new entries.

    Parameters
    ----------
    n : int
        Number of states.
    pattern : set of (row, column)
        Non-zero entries; the diagonal is added.
    """
    rows = [{j for (r, j) in pattern if r == i} | {i} for i in range(n)]
    columns = [{i for i in range(n) if j in rows[i]} for j in range(n)]
    left, order = set(range(n)), []
    while left:
        pivot = min(left, key=lambda k: ((len(rows[k]) - 1) * (len(columns[k]) - 1), k))
        left.discard(pivot)
        order.append(pivot)
        for i in columns[pivot] - {pivot}:
            for j in rows[pivot] - {pivot}:
                rows[i].add(j)
                columns[j].add(i)
        for i in columns[pivot]:
            rows[i].discard(pivot)
        for j in rows[pivot]:
            columns[j].discard(pivot)
    return tuple(order)


def factorise(graph: Graph, n: int, entries: dict[Place, int], shift: int) -> Factors:
    """Factors of `shift`·I - J.

    Parameters
    ----------
    graph : Graph
        Receives the arithmetic.
    entries : dict of (row, column) to int
        Nodes of the non-zero entries of -J.
    shift : int
        Node of 1/(hγ).
    """
    order = markowitz_order(n, set(entries))
    matrix = dict(entries)
    for k in range(n):
        matrix[k, k] = graph.add(shift, matrix.get((k, k), graph.zero))
    for step, pivot in enumerate(order):
        later = order[step + 1 :]
        inverse = graph.inverse(matrix[pivot, pivot])
        matrix[pivot, pivot] = inverse
        for i in later:
            if (i, pivot) not in matrix:
                continue
            multiplier = graph.mul(matrix[i, pivot], inverse)
            matrix[i, pivot] = multiplier
            for j in later:
                if (pivot, j) in matrix:
                    change = graph.neg(graph.mul(multiplier, matrix[pivot, j]))
                    matrix[i, j] = graph.add(matrix.get((i, j), graph.zero), change)
    return Factors(order, matrix)


def solved(graph: Graph, factors: Factors, places: dict[Place, int], right: list[int]) -> list[int]:
    """Nodes of the solution of a linear system from its factors, read back from memory.

    Parameters
    ----------
    places : dict of (row, column) to int
        Leaf nodes of the stored factors.
    right : list of int
        Nodes of the right-hand side.
    """
    x = list(right)
    order = factors.order
    for step, pivot in enumerate(order):
        for i in order[step + 1 :]:
            if (i, pivot) in places:
                x[i] = graph.add(x[i], graph.neg(graph.mul(places[i, pivot], x[pivot])))
    for step in range(len(order) - 1, -1, -1):
        pivot = order[step]
        parts = [x[pivot]]
        parts += [graph.neg(graph.mul(places[pivot, j], x[j])) for j in order[step + 1 :] if (pivot, j) in places]
        whole = parts[0]
        for part in parts[1:]:
            whole = graph.add(whole, part)
        x[pivot] = graph.mul(places[pivot, pivot], whole)
    return x
