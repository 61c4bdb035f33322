"""Is a zone drawn so that somebody could stand in it? Pure; corners are x, y between 0 and 1 from the picture's top left."""

from __future__ import annotations

from collections.abc import Sequence

Corner = tuple[float, float]

LEAST_AREA = 0.001  # of the picture: a tenth of its width by a hundredth of its height


def misdrawn(corners: Sequence[Corner]) -> str:
    """Why nobody could stand in this polygon as it was meant, or ''."""
    sides = list(zip(corners, [*corners[1:], corners[0]], strict=True))
    for i, (a, b) in enumerate(sides):
        for c, d in sides[i + 2 : len(sides) - (i == 0)]:
            if _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0:
                return f"its sides cross: {list(a)} to {list(b)} and {list(c)} to {list(d)}; name the corners in order, one way round"
    area = abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in sides)) / 2
    if area < LEAST_AREA:
        return f"it covers {area:.2%} of the picture: nobody would ever stand in it; at least {LEAST_AREA:.1%} is needed"
    return ""


def _turn(a: Corner, b: Corner, c: Corner) -> float:
    """Twice the area of the triangle, with the sign of the way round."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
