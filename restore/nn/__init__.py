"""Layers and blocks that have two users or more."""
