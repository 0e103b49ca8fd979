"""The coupled choice: noised argmax, ties to the lowest id, temperature 0 as the noiseless case of one rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared.errors import InvalidValue
from shared.speculation.coupled import MOST_GAP, Chooser
from shared.speculation.noise import SPAN, gumbel
from shared.speculation.request import SamplingParameters

QUICK = settings(derandomize=True, deadline=None, max_examples=200)
ROWS = 50
HUGE = 3.0e38  # close to the largest float32

# Few values, so that ties are common.
coarse_rows = st.lists(st.sampled_from([-HUGE, -40.0, -2.0, -1.0, 0.0, 0.5, 1.0, 40.0]), min_size=2, max_size=40)
fine_rows = st.lists(st.floats(-60, 60, width=32), min_size=2, max_size=60)
temperatures = st.floats(0, 100, exclude_min=True) | st.sampled_from([1e-6, 1e-300, 5e-324, 0.7, 1.0])


def chooser(**parameters: object) -> Chooser:
    return Chooser(SamplingParameters(max_tokens=9, **parameters), ())  # type: ignore[arg-type]


def survivors(row: list[float] | torch.Tensor, **parameters: object) -> list[int]:
    """The ids that masks leave. A high temperature: no id is out of the noise's reach."""
    ids, _ = chooser(**{"temperature": 1.0, **parameters}).scores(torch.as_tensor(row), ())
    return ids.tolist()  # type: ignore[no-any-return]


def random_row(seed: int, rows: int = ROWS) -> torch.Tensor:
    return torch.randn(rows, generator=torch.Generator().manual_seed(seed)) * 3


@QUICK
@given(fine_rows, temperatures, st.integers(0, 2**64 - 1), st.integers(0, 50))
def test_the_choice_is_the_argmax_of_logit_and_noise_over_the_whole_row(
    row: list[float], temperature: float, seed: int, position: int
) -> None:
    """No id that the noise was spared for could have won."""
    noise = gumbel(seed, position, np.arange(len(row)))
    everywhere = np.array(row) + temperature * noise
    chosen = chooser(temperature=temperature, seed=seed).choose(torch.tensor(row), [0] * position)
    assert chosen == int(everywhere.argmax())


@QUICK
@given(fine_rows, st.floats(0.1, 3), st.integers(0, 2**64 - 1))
def test_noise_is_drawn_for_the_ids_in_its_reach_alone(row: list[float], temperature: float, seed: int) -> None:
    ids, scores = chooser(temperature=temperature, seed=seed).scores(torch.tensor(row), ())
    logits = np.array(row)
    assert ids.tolist() == np.flatnonzero(logits >= logits.max() - SPAN * temperature).tolist()
    assert scores.tolist() == (logits[ids] + temperature * gumbel(seed, 0, ids)).tolist()


def test_an_id_at_the_edge_of_the_noises_reach_is_kept() -> None:
    assert survivors([0.0, -26.0, -26.02]) == [0, 1]
    assert survivors([0.0, -13.0, -13.01], temperature=0.5) == [0, 1]


@QUICK
@given(coarse_rows)
def test_without_noise_the_lowest_of_the_best_ids_is_chosen(row: list[float]) -> None:
    best = row.index(max(row))
    assert chooser().choose(torch.tensor(row), ()) == best
    assert chooser(logit_bias=((0, 0.0),)).choose(torch.tensor(row), ()) == best  # the path of penalties and bias


@QUICK
@given(coarse_rows, st.sampled_from([torch.float32, torch.bfloat16, torch.float16]))
def test_both_paths_of_temperature_0_agree_in_any_precision(row: list[float], dtype: torch.dtype) -> None:
    logits = torch.tensor(row).clamp(-60_000, 60_000).to(dtype)
    ids, scores = chooser().scores(logits, ())
    assert chooser().choose(logits, ()) == ids[scores.argmax()]


@pytest.mark.parametrize("seed", range(20))
def test_temperature_0_is_the_limit_of_small_ones(seed: int) -> None:
    row = random_row(seed)
    gap = float(row.topk(2).values.diff().abs())
    cold = chooser().choose(row, ())
    assert chooser(temperature=gap / SPAN, seed=seed).choose(row, ()) == cold
    assert chooser(temperature=1e-6, seed=seed).choose(row, ()) == cold


@pytest.mark.parametrize("temperature", [0.0, 5e-324, 1e-300, 1e-6, 1.0, 100.0])
@pytest.mark.parametrize("masks", [{}, {"top_k": 2}, {"top_p": 0.5}, {"min_p": 0.1}])
def test_extreme_logits_and_temperatures_overflow_nowhere(temperature: float, masks: dict[str, float]) -> None:
    one = chooser(temperature=temperature, **masks)
    assert one.choose(torch.tensor([-HUGE, 0.0, HUGE, -torch.inf]), ()) == 2
    assert one.choose(torch.tensor([-HUGE, -torch.inf, -torch.inf, -torch.inf]), ()) == 0
    assert np.isfinite(one.scores(torch.tensor([HUGE, -HUGE, 1.0, -1e30]), ())[1]).all()


def test_equal_logits_share_the_choice_even_at_a_tiny_temperature() -> None:
    row = torch.full((8,), 10.0)
    assert {chooser(temperature=1e-6, seed=seed).choose(row, ()) for seed in range(100)} == set(range(8))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_id_without_probability_is_never_chosen(temperature: float) -> None:
    row = torch.full((ROWS,), -torch.inf)
    row[[7, 11]] = torch.tensor([-1000.0, -1001.0])
    for seed in range(50):
        assert chooser(temperature=temperature, seed=seed, logit_bias=((3, 100.0),)).choose(row, ()) in {7, 11}


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("masks", [{}, {"top_k": 3, "top_p": 0.9, "min_p": 0.01}])
def test_an_id_that_is_not_allowed_is_as_if_it_were_not_there(temperature: float, masks: dict[str, float]) -> None:
    allowed = np.arange(ROWS) % 3 == 0
    for seed in range(30):
        row, parameters = random_row(seed), SamplingParameters(9, seed, temperature, **masks)  # type: ignore[arg-type]
        gone = row.masked_fill(torch.from_numpy(~allowed), -torch.inf)
        chosen = Chooser(parameters, (), allowed).choose(row, ())
        assert allowed[chosen]
        assert chosen == Chooser(parameters, ()).choose(gone, ())


def test_masks_keep_the_lower_of_two_equal_ids() -> None:
    row = [1.0, 2.0, 2.0, 1.0, 2.0]
    assert survivors(row, top_k=1) == [1]
    assert survivors(row, top_k=2) == [1, 2]
    assert survivors(row, top_k=4) == [0, 1, 2, 4]
    assert survivors([0.0] * 4, top_p=0.5) == [0, 1]
    assert survivors([0.0] * 4, top_p=0.51) == [0, 1, 2]
    assert survivors([0.0] * 4, top_p=1e-6) == [0]


def test_masks_see_the_smallest_difference_of_logits() -> None:
    """Far from the best logit a difference is lost by subtracting that: masks sort by the logits themselves."""
    assert survivors([1e-30, 2e-30, 10.0], top_k=2) == [1, 2]


def test_min_p_keeps_what_stands_exactly_at_its_share() -> None:
    assert survivors([0.0, 0.0, -1.0], min_p=1.0) == [0, 1]
    assert survivors([0.0, -0.5, -0.75], min_p=float(np.exp(-0.5))) == [0, 1]


@QUICK
@given(fine_rows, st.integers(0, 70), st.floats(1e-6, 1), st.floats(0, 1), st.floats(0.05, 20))
def test_a_mask_keeps_the_best_id_and_a_run_of_the_order(
    row: list[float], top_k: int, top_p: float, min_p: float, temperature: float
) -> None:
    assume(max(row) - min(row) < SPAN * temperature)
    kept = survivors(row, top_k=top_k, top_p=top_p, min_p=min_p, temperature=temperature)
    order = sorted(range(len(row)), key=lambda i: (-row[i], i))
    assert kept
    assert kept == sorted(order[: len(kept)])


def test_the_choice_of_a_position_does_not_depend_on_other_positions_tokens() -> None:
    row = random_row(1)
    one = chooser(temperature=2.0, seed=5)
    assert one.choose(row, [1, 2, 3]) == one.choose(row, [3, 2, 1])
    assert len({one.choose(row, [0] * position) for position in range(40)}) > 5


def test_a_position_is_counted_from_the_first_output_token_not_from_the_prompt() -> None:
    """The device's prompt may be longer or pruned: noise must not know of it."""
    row, parameters = random_row(3), SamplingParameters(9, seed=8, temperature=1.0)
    left, right = (Chooser(parameters, prompt).scores(row, [5, 6])[1].tolist() for prompt in ((), (1, 2, 3)))
    assert left == right


def test_a_row_is_not_changed_by_choosing_from_it() -> None:
    row = random_row(2)
    before = row.clone()
    penalised = {"repetition_penalty": 2.0, "presence_penalty": 1.0, "logit_bias": ((1, 5.0),), "temperature": 1.0}
    Chooser(SamplingParameters(9, **penalised), (1, 2), np.arange(ROWS) < 9).choose(row, [1, 2])  # type: ignore[arg-type]
    assert torch.equal(row, before)


class TestIdsThatTheModelLacks:
    """A device's model may have fewer rows than the target whose tokens, biases and prompt it is told of."""

    row = torch.tensor([0.0, 3.0, 1.0])

    def common(self, rows: int = 3, **parameters: object) -> Chooser:
        settled = SamplingParameters(max_tokens=9, **parameters)  # type: ignore[arg-type]
        allowed: NDArray[np.bool_] = np.arange(rows) < 3
        return Chooser(settled, (1, 99), allowed)

    def test_a_bias_beyond_the_rows_is_refused_by_name(self) -> None:
        with pytest.raises(InvalidValue, match="logit_bias is 3: the model's ids are below 3"):
            chooser(logit_bias=((3, 1.0),)).choose(self.row, ())

    def test_a_bias_beyond_the_rows_of_a_masked_model_changes_nothing(self) -> None:
        assert self.common(logit_bias=((3, 100.0), (2, 5.0))).choose(self.row, ()) == 2

    def test_penalties_pass_over_ids_beyond_the_rows(self) -> None:
        one = self.common(repetition_penalty=2.0, presence_penalty=1.0, frequency_penalty=1.0)
        assert one.choose(self.row, [1, 50, 50]) == 2
        _, scores = one.scores(self.row, [1, 50, 50])
        assert scores.tolist() == [0.0, 3.0 / 2 - 2, 1.0]


@QUICK
@given(coarse_rows | fine_rows, st.just(0.0) | temperatures, st.integers(0, 2**64 - 1))
def test_what_is_weighed_is_what_is_chosen_and_how_sure(row: list[float], temperature: float, seed: int) -> None:
    one, logits = chooser(temperature=temperature, seed=seed), torch.tensor(row)
    weighed = one.weigh(logits, ())
    ids, scores = one.scores(logits, ())
    assert weighed.token == one.choose(logits, ())
    best, *others = sorted(scores.tolist(), reverse=True)
    if weighed.runner_up is None:
        assert not others
    else:
        assert weighed.runner_up != weighed.token
        assert scores[ids.tolist().index(weighed.runner_up)] == others[0]
        assert weighed.gap == pytest.approx(min(MOST_GAP, (best - others[0]) / (temperature or 1)), rel=1e-6, abs=1e-9)
    assert 0 <= weighed.entropy <= np.log(len(row)) + 1e-9
    assert 0 <= weighed.probability <= 1 + 1e-12


def test_entropy_and_probability_are_those_of_the_law() -> None:
    row = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64).log()
    weighed = chooser(temperature=1.0, seed=5).weigh(row, ())
    law = np.array([0.1, 0.2, 0.3, 0.4])
    assert weighed.probability == pytest.approx(law[weighed.token], rel=1e-6)
    assert weighed.entropy == pytest.approx(-(law * np.log(law)).sum(), rel=1e-6)
