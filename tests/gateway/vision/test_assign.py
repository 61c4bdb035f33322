"""The cheapest pairs, held against trying all."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.assign import assign


@given(st.integers(0, 5), st.integers(0, 5), st.data())
def test_no_other_pairing_is_better(rows: int, columns: int, data: st.DataObject) -> None:
    cost = st.integers(0, 20).map(lambda number: number / 10)
    costs = np.array([[data.draw(cost) for _ in range(columns)] for _ in range(rows)]).reshape(rows, columns)
    pairs = assign(costs, 1.0)
    assert all(costs[row, column] <= 1.0 for row, column in pairs)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    wide = costs if rows <= columns else costs.T
    best = (0, 0.0)
    for order in itertools.permutations(range(wide.shape[1]), wide.shape[0]):
        allowed = [wide[row, column] for row, column in enumerate(order) if wide[row, column] <= 1.0]
        best = min(best, (-len(allowed), sum(allowed)))
    assert (-len(pairs), round(sum(costs[pair] for pair in pairs), 6)) == (best[0], round(best[1], 6))
