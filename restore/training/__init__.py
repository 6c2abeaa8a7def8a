"""One training engine and the recipes of the shipped weights."""
