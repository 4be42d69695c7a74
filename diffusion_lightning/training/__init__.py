"""Training: the Lightning module, its callbacks, and how a run resumes."""
