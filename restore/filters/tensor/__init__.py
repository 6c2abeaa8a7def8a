"""The filters on tensors: for each file in ``array`` whose filters have a twin, one of the same name."""
