import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError


def test_a_table_of_another_schedule_is_that_schedule():
    given, linear = dl.GivenBetas(T=100, table=dl.Linear(T=100).betas().tolist()), dl.Linear(T=100)
    t = torch.linspace(0, 1, 37, dtype=torch.float64)
    assert torch.equal(given.log_alpha_bar(t), linear.log_alpha_bar(t))
    assert given == dl.GivenBetas(T=100, table=tuple(given.table)) and len(str(given)) < 30


@pytest.mark.parametrize(
    ("T", "table", "message"),
    [
        (1000, (), "the table has 0 β; there must be T = 1000"),
        (2, [0.5, 0.5], "it must add more noise"),
        (2, [0.5, 1.0], "all between 0 and 1"),
        (2, [0.999, 0.0], "all between 0 and 1"),
    ],
)
def test_what_is_no_schedule_is_refused(T, table, message):
    with pytest.raises(UserError, match=message):
        dl.GivenBetas(T=T, table=table)
