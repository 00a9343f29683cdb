"""Types of the arrays that functions take and return."""

from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]  # the arrays of one image, by name
