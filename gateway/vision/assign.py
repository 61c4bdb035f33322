"""Which of these belongs to which of those, so that the sum of what it costs is least. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

_NEVER = 1e6  # dearer than any sum of costs that are allowed


def assign(costs: Floats, most: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of a matrix of costs (N, M), each row and column at most once; what costs more than `most` is no pair.

    As many pairs as `most` allows, and among those the least sum: the Hungarian method with shortest augmenting paths.
    """
    rows, columns = costs.shape
    if not rows or not columns:
        return []
    if rows > columns:
        return sorted((row, column) for column, row in assign(costs.T, most))
    allowed = costs <= most
    paid = np.where(allowed, costs, _NEVER).astype(np.float64)
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    row_of = np.full(columns, -1)
    for row in range(rows):
        column, before = _cheapest_path(paid, row, row_of, row_price, column_price)
        while column != -1:  # along the path each column takes the row of the one before
            previous = int(before[column])
            row_of[column] = row if previous == -1 else row_of[previous]
            column = previous
    return sorted((int(row), column) for column, row in enumerate(row_of.tolist()) if row != -1 and allowed[row, column])


def _cheapest_path(
    paid: Floats, start: int, row_of: NDArray[np.intp], row_price: Floats, column_price: Floats
) -> tuple[int, NDArray[np.intp]]:
    """The free column that is reached from a row at least cost, and of each column the one before it. Prices are brought up to date."""
    columns = paid.shape[1]
    distance, before = np.full(columns, np.inf), np.full(columns, -1)
    done = np.zeros(columns, np.bool_)
    row, column, spent = start, -1, 0.0
    while True:
        reached = spent + paid[row] - row_price[row] - column_price
        nearer = ~done & (reached < distance)
        distance[nearer], before[nearer] = reached[nearer], column
        column = int(np.argmin(np.where(done, np.inf, distance)))
        spent = float(distance[column])
        if row_of[column] == -1:
            break
        done[column] = True
        row = int(row_of[column])
    row_price[start] += spent
    for each in np.flatnonzero(done):
        row_price[row_of[each]] += spent - distance[each]
        column_price[each] -= spent - distance[each]
    return column, before
