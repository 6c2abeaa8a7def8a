"""What both estimates share."""

import numpy as np

from restore import levels

LUMA = np.array(levels.LUMA, np.float32)
"""``levels.LUMA`` for products with pixels (..., 3)."""
