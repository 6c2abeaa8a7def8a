"""Filters on arrays: OpenCV does the work where it has the filter."""
