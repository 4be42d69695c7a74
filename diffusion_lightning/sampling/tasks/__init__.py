"""What `sample.py` can draw; one file per task."""
