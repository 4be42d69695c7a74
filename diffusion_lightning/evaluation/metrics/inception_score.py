"""Inception Score."""

import logging
import math
from itertools import pairwise

import torch
from torch import Tensor

from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.doubt import Doubtful, Figure, Meaningless, deviation, figure

log = logging.getLogger(__name__)


def inception_score(logits: Tensor) -> float:
    """exp(mean_x KL(p(y|x) ‖ p(y))) for logits (N, K), with p(y) = mean_x p(y|x); between 1 and K.

    Source: Salimans et al. 2016 (Improved Techniques for Training GANs), section 4.
    """
    log_p = logits.double().log_softmax(1)
    log_marginal = log_p.logsumexp(0) - math.log(len(log_p))
    return float((log_p.exp() * (log_p - log_marginal)).sum(1).mean().exp())


def scores_of_parts(logits: Tensor, splits: int) -> Tensor:
    """Scores (splits,) of random parts of the images; part i goes from i N // splits to (i + 1) N // splits.

    Source: the released code of Salimans et al. 2016, which splits so.

    Raises:
        Meaningless: if a part has only one image, whose score is 1 whatever it shows.
    """
    n = len(logits)
    if n < 2 * splits:
        raise Meaningless(
            f"in {splits} parts of {n} images some have only one, whose score is always 1: it takes at least "
            f"{2 * splits} images"
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    bounds = [i * n // splits for i in range(splits + 1)]
    return torch.tensor([inception_score(logits[order[a:b]]) for a, b in pairwise(bounds)])


class InceptionScore(Metric):
    """Mean and standard deviation of the score over random parts of the images.

    Args:
        splits: number of parts.
    """

    def __init__(self, splits: int = 10) -> None:
        self.splits = check_at_least("splits", splits)

    def __call__(self, compared: Comparison) -> dict[str, Figure]:
        """is, is_std; empty if the extractor has no logits."""
        logits = compared.samples.logits
        if logits.shape[1] == 0:
            log.info("is: the extractor has no logits")
            return {}
        scores = figure(lambda: scores_of_parts(logits, self.splits))
        if isinstance(scores, Doubtful):
            return {"is": scores, "is_std": scores}
        score, part = float(scores.mean()), len(logits) // self.splits
        bound = f"in parts of {part} images it is at most {part}: compare it at equal numbers only"
        return {
            "is": score if part >= logits.shape[1] else Doubtful(bound, score),
            "is_std": figure(lambda: deviation(scores, "part")),
        }
