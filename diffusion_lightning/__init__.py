"""diffusion-lightning: a small, exact framework for diffusion experiments.

A network learns to undo noise; a schedule says how much noise there is at time t; a sampler walks
from t = 1 to t = 0; guidance and clamping change the prediction, never the walk.

| symbol            | code             | meaning                                                       |
|-------------------|------------------|---------------------------------------------------------------|
| t in [0, 1]       | `t`              | time; 0 is data, 1 is noise; a schedule of T timesteps is     |
|                   |                  | exact at t = i/T, and the network is fed `T * t`              |
| ᾱ                 | `alpha_bar`      | DDPM's cumulative product                                     |
| α = √ᾱ            | `alpha`          | signal scale (never 1 - β)                                    |
| σ = √(1 - ᾱ)      | `sigma`          | noise scale                                                   |
| λ = log(α/σ)      | `lam`            | half the log signal-to-noise ratio                            |
| x_t = α x0 + σ ε  | `x_t, x0, eps`   | images (B, C, H, W), float32, data in [-1, 1]                 |
| s < t             | `s`              | the next time in the walk                                     |
| w                 | `guidance.scale` | x0 = x0_null + w (x0_y - x0_null): 0 unconditional,           |
|                   |                  | 1 conditional, > 1 guided                                     |
"""

import lazy_loader

__version__ = "0.2.0"

# The public names, which `_target_` in a config uses too, are listed in __init__.pyi. Each is imported when
# it is first used, so that importing the package stays quick (PEP 562).
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
