"""What both estimates share."""

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Parts of red, green and blue in the brightness that JPEG stores (ITU-T T.871)."""
