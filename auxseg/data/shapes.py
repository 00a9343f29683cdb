"""Whether two sizes can be those of the same picture."""


def same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two sizes differ by a common factor of both sides, and by rounding.

    Each side of the smaller one may be off by one pixel.

    Args:
        one: Two sides in pixels, such as (height, width).
        other: The sides of the other one, in the same order.
    """
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(sum(one), sum(other))
