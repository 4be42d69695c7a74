"""What `sample.py` can do with a trained model; one file a task, chosen by `task=`."""
