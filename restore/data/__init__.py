"""Pictures for training: photographs that are cropped, and labelled pictures; what is drawn depends on the seed and the step alone.

Photographs go two ways, to the same crops bit for bit: decoded once, in memory (``load``, then ``Crops``) or on a device (``Resident``);
or decoded anew whenever they are drawn (``find``, then ``OnDemand`` in ``Crops``), in worker processes (``batches``).
"""

from restore.data.crops import Crops, Places, Windows, to_tensor
from restore.data.labelled import (
    HELD_OUT,
    MNIST,
    Examples,
    Labelled,
    fit,
    is_packed,
    load_labelled,
    read_folders,
    read_idx,
    read_labelled,
    read_packed,
)
from restore.data.photographs import CLOSED, Photograph, decode, find, load, open_files
from restore.data.resident import Resident
from restore.data.workers import OnDemand, batches

__all__ = [
    "CLOSED",
    "HELD_OUT",
    "MNIST",
    "Crops",
    "Examples",
    "Labelled",
    "OnDemand",
    "Photograph",
    "Places",
    "Resident",
    "Windows",
    "batches",
    "decode",
    "find",
    "fit",
    "is_packed",
    "load",
    "load_labelled",
    "open_files",
    "read_folders",
    "read_idx",
    "read_labelled",
    "read_packed",
    "to_tensor",
]
