"""The page of the playground: walks of a model, watched and steered in a browser."""
