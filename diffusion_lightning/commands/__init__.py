"""The commands: what stands behind train.py, sample.py and evaluate.py."""
