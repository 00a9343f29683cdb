"""The outlines of all regions of a map at once, along the edges of pixels."""

import numpy as np
import numpy.typing as npt

from auxseg.data.arrays import Counts

Points = npt.NDArray[np.float64]  # (n, 2): x, y in pixels; 0, 0 is the upper left corner

NONE = -1  # the number of no region, such as that beyond the image

# A side of a pixel is walked with the pixel on the right: its top eastwards (0), its right side
# southwards (1), and so on. The pixel beyond a side lies so many rows and columns away; that beyond
# side `k + 1` lies ahead of a walk along side `k`.
_DOWN = np.array([-1, 0, 1, 0])
_RIGHT = np.array([0, 1, 0, -1])


class Outlines:
    """The outlines of the R regions of a map, all together."""

    def __init__(self, numbers: Counts, firsts: Counts) -> None:
        """Walk once round each region.

        Args:
            numbers: (H, W), the number of the region at each pixel.
            firsts: (R,), the first pixel of each region, counted row by row.
        """
        self._numbers = numbers
        self._padded = np.pad(numbers, 1, constant_values=NONE)
        self._firsts = firsts
        around = [self._beyond(side) != numbers for side in range(4)]
        self._known = np.flatnonzero(np.stack(around))  # the sides of pixels between two regions
        following = self._following().tolist()
        path: list[int] = []
        starts = []
        # The top of the first pixel is on the outline, and no hole's.
        for first in self._place(np.zeros_like(firsts), firsts).tolist():
            starts.append(len(path))
            path.append(first)
            while (place := following[path[-1]]) != first:
                path.append(place)
        self._path, self._starts = np.array(path), np.array(starts)
        self._side, self._row, self._column = self._unpack(self._known[self._path])
        # Where each side begins.
        self._x = self._column + ((self._side == 1) | (self._side == 2))
        self._y = self._row + (self._side >= 2)

    def corners(self) -> list[Points]:
        """Return the corners of each outline, (n, 2)."""
        turns = np.diff(self._side, prepend=NONE) != 0
        turns[self._starts] = True
        corners = np.stack([self._x, self._y], 1)[turns].astype(np.float64)
        return np.split(corners, np.cumsum(turns)[self._starts[1:] - 1])

    def filled(self) -> list[int]:
        """Return the area within each outline: what is left of right sides, but not of left."""
        width = np.select([self._side == 1, self._side == 3], [self._x, -self._x])
        areas: list[int] = np.add.reduceat(width, self._starts).tolist()
        return areas

    def boxes(self) -> list[tuple[int, int, int, int]]:
        """Return left, top, right and bottom of each outline."""
        least, most = (
            [extreme.reduceat(line, self._starts).tolist() for line in (self._x, self._y)]
            for extreme in (np.minimum, np.maximum)
        )
        return list(zip(*least, *most, strict=True))

    def parents(self) -> list[int]:
        """Return for each region the one in whose hole it lies, or ``NONE``."""
        rows, columns = np.divmod(self._firsts, self._numbers.shape[1])
        above = self._padded[rows, columns + 1]
        inside = above != NONE
        # Beyond the top of the first pixel is a region earlier in the map. If its outline is not
        # there, its hole is; otherwise, both lie in the same hole.
        bottoms = np.full(len(above), 2)[inside], self._firsts[inside] - self._numbers.shape[1]
        on_outline = np.zeros(len(self._known), bool)
        on_outline[self._path] = True
        is_beside = np.ones(len(above), bool)
        is_beside[inside] = on_outline[self._place(*bottoms)]
        parents = [NONE] * len(above)
        neighbours, beside = above.tolist(), is_beside.tolist()
        for number in np.argsort(self._firsts).tolist():
            neighbour = neighbours[number]
            if neighbour != NONE:
                parents[number] = parents[neighbour] if beside[number] else neighbour
        return parents

    def _following(self) -> Counts:
        """Return the place of the side after each known side, round the same region."""
        side, row, column = self._unpack(self._known)
        own = self._numbers[row, column]
        turned = (side + 1) % 4
        ahead = row + _DOWN[turned], column + _RIGHT[turned]
        beside = ahead[0] + _DOWN[side], ahead[1] + _RIGHT[side]
        is_ahead = self._padded[ahead[0] + 1, ahead[1] + 1] == own
        # Pixels that touch in a corner are not connected: with none ahead, the walk turns right.
        is_left = is_ahead & (self._padded[beside[0] + 1, beside[1] + 1] == own)
        cases = [is_left, is_ahead]
        rows = np.select(cases, [beside[0], ahead[0]], row)
        columns = np.select(cases, [beside[1], ahead[1]], column)
        sides = np.select(cases, [(side - 1) % 4, side], turned)
        return self._place(sides, rows * self._numbers.shape[1] + columns)

    def _beyond(self, side: int) -> Counts:
        height, width = self._numbers.shape
        down, right = 1 + _DOWN[side], 1 + _RIGHT[side]
        return self._padded[down : down + height, right : right + width]

    def _place(self, side: Counts, pixel: Counts) -> Counts:
        """Return where among the known sides those of pixels are."""
        return np.searchsorted(self._known, side * self._numbers.size + pixel)

    def _unpack(self, sides: Counts) -> tuple[Counts, Counts, Counts]:
        side, pixel = np.divmod(sides, self._numbers.size)
        row, column = np.divmod(pixel, self._numbers.shape[1])
        return side, row, column
