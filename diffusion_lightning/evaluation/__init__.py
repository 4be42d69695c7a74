"""Evaluation: which images are measured, against which data, by which metrics."""
