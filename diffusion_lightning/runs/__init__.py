"""What the folders of runs and sweeps hold, and the page that shows it."""
