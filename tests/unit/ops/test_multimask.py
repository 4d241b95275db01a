"""Which candidate is used: the dynamic rule, prompt by prompt, beside a plain reading of it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from masklet.ops.multimask import RELEASED_STABILITY, StabilityPolicy, answering, best_multimask, single_mask

SIDE = 20


def logits_with(inner: int, outer: int) -> torch.Tensor:
    """Candidate 0 with `inner` pixels clearly inside and `outer - inner` at the threshold; the others do not matter."""
    plane = torch.full((SIDE * SIDE,), -5.0)
    plane[:outer] = 0.0
    plane[:inner] = 5.0
    others = torch.randn(3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return torch.cat((plane.view(1, SIDE, SIDE), others))[None]


def test_the_released_values():
    assert (RELEASED_STABILITY.delta, RELEASED_STABILITY.threshold) == (0.05, 0.98)


def test_best_multimask_leaves_candidate_0_out():
    scores = torch.tensor([[0.9, 0.1, 0.3, 0.2], [0.0, 0.5, 0.4, 0.3], [0.0, 0.1, 0.2, 0.3], [1.0, 0.2, 0.2, 0.2]])
    assert best_multimask(scores).tolist() == [2, 1, 3, 1]


@pytest.mark.parametrize(
    ("inner", "outer", "expected"),
    [
        (100, 100, 0),  # nothing near the threshold
        (98, 100, 0),  # exactly at it: stable
        (97, 100, 2),
        (0, 100, 2),  # all of it near the threshold
        (0, 0, 0),  # empty, whichever way it is cut: stable
    ],
)
def test_a_wavering_mask_gives_way_to_the_best_multimask(inner, outer, expected):
    scores = torch.tensor([[1.0, 0.2, 0.9, 0.5]])
    assert single_mask(logits_with(inner, outer), scores, RELEASED_STABILITY).tolist() == [expected]


def test_cuts_are_strict():
    """A logit equal to a cut is outside of it."""
    scores = torch.tensor([[1.0, 0.2, 0.9, 0.5]])
    policy = StabilityPolicy(delta=0.5, threshold=0.98)
    cut = torch.full((1, 4, 3, 3), 0.5)
    assert single_mask(cut, scores, policy).tolist() == [2]
    assert single_mask(-cut, scores, policy).tolist() == [0], "empty both ways"


def test_each_prompt_is_judged_alone():
    logits = torch.cat([logits_with(inner, 100) for inner in (100, 10, 99, 50)])
    scores = torch.tensor([[0.0, 0.1, 0.2, 0.3], [0.9, 0.1, 0.2, 0.3], [0.0, 0.3, 0.2, 0.1], [0.0, 0.3, 0.2, 0.1]])
    assert single_mask(logits, scores, RELEASED_STABILITY).tolist() == [0, 3, 0, 1]


def test_without_a_policy_it_is_candidate_0():
    logits = torch.cat((logits_with(0, 100), logits_with(100, 100)))
    assert single_mask(logits, torch.rand(2, 4), None).tolist() == [0, 0]


def test_no_prompts_at_all():
    assert single_mask(torch.zeros(0, 4, 3, 3), torch.zeros(0, 4), RELEASED_STABILITY).tolist() == []


@given(
    seed=st.integers(0, 10_000),
    delta=st.sampled_from([0.05, 0.3, 1.0]),
    threshold=st.sampled_from([0.0, 0.5, 0.98, 1.0]),
)
def test_the_rule_written_out(seed, delta, threshold):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, 4, 4, 4, generator=generator) - 1
    scores = torch.rand(3, 4, generator=generator)
    found = single_mask(logits, scores, StabilityPolicy(delta=delta, threshold=threshold)).tolist()
    for prompt in range(3):
        plane = logits[prompt, 0].flatten().tolist()
        inner, outer = sum(x > delta for x in plane), sum(x > -delta for x in plane)
        stable = outer == 0 or inner / outer >= threshold
        best = max((1, 2, 3), key=lambda mask, prompt=prompt: scores[prompt, mask].item())
        assert found[prompt] == (0 if stable else best)


@pytest.mark.parametrize(("policy", "one"), [(None, [0.0, 0.9]), (RELEASED_STABILITY, [0.0, 0.3])])
def test_the_answer_is_all_multimasks_or_one_mask(policy, one):
    logits = torch.cat([logits_with(inner, 100) for inner in (100, 10)])
    scores = torch.tensor([[0.0, 0.1, 0.2, 0.3], [0.9, 0.1, 0.2, 0.3]])
    assert torch.equal(scores[answering(logits, scores, True, policy)], scores[:, 1:])
    answer = answering(logits, scores, False, policy)
    torch.testing.assert_close(scores[answer], torch.tensor(one)[:, None])
    assert logits[answer].shape == (2, 1, SIDE, SIDE)
    assert torch.equal(logits[answer][0, 0], logits[0, 0])
