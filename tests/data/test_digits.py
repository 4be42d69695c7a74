import numpy as np
import torch

from tests.support.data import batches_of, digits


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    truth = load_digits()
    x, y = (torch.cat(parts) for parts in zip(*batches_of(digits(), train=False), strict=True))
    assert x.dtype == torch.float32 and x.shape == (297, 1, 8, 8)
    expected = np.round(truth.images[1500:] * 255 / 16) / 127.5 - 1
    np.testing.assert_allclose(x[:, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(y, truth.target[1500:])
