"""Many rows in order: numbers packed into one are sorted, not the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def in_order(key: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the rows stand in the order of `key` (whole numbers from 0), equal ones as they came; and the sorted key.

    The row's place joins the key where both fit into one number: sorting numbers is several times faster than sorting
    their places. `key` may be overwritten.
    """
    if bool(np.all(key[1:] >= key[:-1])):
        return np.arange(len(key)), key
    places = (len(key) - 1).bit_length()
    if int(key.max()).bit_length() + places > 63:
        order = np.argsort(key, kind="stable")
        return order, key[order]
    key <<= places
    key |= np.arange(len(key))
    key.sort()
    order = key & ((1 << places) - 1)
    key >>= places
    return order, key
