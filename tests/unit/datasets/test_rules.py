"""What counts when masks are scored."""

import pytest

from masklet.datasets.rules import DAVIS_RULES, SAV_RULES, ScoreRules


def test_released_rules_differ_in_when_an_object_begins_to_count() -> None:
    assert SAV_RULES.from_first_appearance
    assert not DAVIS_RULES.from_first_appearance
    assert SAV_RULES.skip_first_and_last
    assert DAVIS_RULES.skip_first_and_last
    assert SAV_RULES.tolerance == DAVIS_RULES.tolerance == 0.008


@pytest.mark.parametrize("tolerance", [-0.1, 1, 8])
def test_a_tolerance_is_a_share(tolerance: float) -> None:
    with pytest.raises(ValueError, match=f"tolerance is {tolerance}"):
        ScoreRules(tolerance=tolerance)
