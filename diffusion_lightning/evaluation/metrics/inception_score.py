"""Inception Score."""

import logging
import math

import torch
from torch import Tensor

from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric

log = logging.getLogger(__name__)


def inception_score(logits: Tensor) -> float:
    """exp(mean_x KL(p(y|x) ‖ p(y))) for logits (N, K), with p(y) = mean_x p(y|x); between 1 and K.

    Source: Salimans et al. 2016 (Improved Techniques for Training GANs), section 4.
    """
    log_p = logits.double().log_softmax(1)
    log_marginal = log_p.logsumexp(0) - math.log(len(log_p))
    return float((log_p.exp() * (log_p - log_marginal)).sum(1).mean().exp())


class InceptionScore(Metric):
    """Mean and standard deviation of the score over random subsets of the images.

    Args:
        splits: number of subsets.
    """

    def __init__(self, splits: int = 10) -> None:
        self.splits = check_at_least("splits", splits)

    def __call__(self, compared: Comparison) -> dict[str, float]:
        """is, is_std; empty if the extractor has no logits."""
        logits = compared.samples.logits
        if logits.shape[1] == 0:
            log.info("is: the extractor has no logits")
            return {}
        order = torch.randperm(len(logits), generator=torch.Generator().manual_seed(0))
        scores = torch.tensor([inception_score(logits[part]) for part in order.chunk(self.splits)])
        return {"is": float(scores.mean()), "is_std": float(scores.std(correction=0))}
