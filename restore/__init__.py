"""Repair damaged photographs with convolutional networks."""
