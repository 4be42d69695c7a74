"""Config → objects: what a config may hold, and what is built from it."""
