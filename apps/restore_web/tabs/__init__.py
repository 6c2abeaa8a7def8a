"""The tabs of the page, a file each: what stands in it, and what its button calls."""
