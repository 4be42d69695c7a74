"""The mathematics: schedules, parameterizations, guidance, clamps, samplers, likelihoods."""
