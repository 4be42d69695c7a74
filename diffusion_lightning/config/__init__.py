"""Config → objects: what a config may contain, and what is built from it."""
