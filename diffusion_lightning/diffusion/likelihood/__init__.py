"""Likelihoods: DDPM's variational bound and the probability-flow ODE's density."""
