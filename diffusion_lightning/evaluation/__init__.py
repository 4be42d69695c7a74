"""Evaluation: what images are measured, beside what, by which metrics."""
