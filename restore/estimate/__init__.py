"""What a picture needs, measured on the picture itself."""

from restore.estimate.base import LUMA
from restore.estimate.jpeg import APART, earlier_quality, jpeg_history, jpeg_quality, quality_of_pixels, quality_of_tables
from restore.estimate.noise import SharedNoise, has_camera_noise, noise_level, shared_noise

__all__ = [
    "APART",
    "LUMA",
    "SharedNoise",
    "earlier_quality",
    "has_camera_noise",
    "jpeg_history",
    "jpeg_quality",
    "noise_level",
    "quality_of_pixels",
    "quality_of_tables",
    "shared_noise",
]
