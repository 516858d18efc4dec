from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_generator.config import Config, Surge
from log_generator.schedule import Pace, Schedule

DEFAULT = [Surge(start=60, every=600, duration=20, factor=6)]


def moments(surges, gap, until):
    schedule, moment, found = Schedule(surges), 0.0, []
    while (moment := schedule.after(moment, gap)) < until:
        found.append(moment)
    return found


def most_within(found, seconds):
    first, most = 0, 0
    for place, moment in enumerate(found):
        while found[first] <= moment - seconds:
            first += 1
        most = max(most, place - first + 1)
    return most


def test_the_default_opens_a_surge_after_a_minute_and_every_ten_minutes():
    found = moments(DEFAULT, 1.0, 1500)
    assert most_within([m for m in found if m < 60], 15) == 15
    for start in (60, 660, 1260):
        assert most_within([m for m in found if start <= m < start + 15], 15) >= 85
        assert most_within([m for m in found if start + 20 <= m < start + 600], 15) == 15


def test_surges_are_laid_over_the_base_pace():
    found = Counter(
        int(m) // 10 for m in moments([Surge(20, 10, 3.0), Surge(40, 10, 0.0)], 0.1, 60)
    )
    assert [found[stretch] for stretch in range(6)] == pytest.approx(
        [100, 100, 300, 100, 0, 100], abs=1
    )


def test_surges_at_the_same_time_multiply():
    found = moments([Surge(0, 10, 3.0), Surge(5, 10, 2.0)], 1.0, 15)
    assert len([m for m in found if 5 <= m < 10]) == pytest.approx(30, abs=1)


surges = st.lists(
    st.builds(
        lambda start, duration, factor, pause: Surge(
            start, duration, factor, None if pause is None else duration + pause
        ),
        start=st.floats(0, 1e4),
        duration=st.floats(0.5, 100),
        factor=st.floats(0.2, 50),
        pause=st.none() | st.floats(0.5, 1000),
    ),
    max_size=4,
)


@given(surges, st.floats(0, 1e6), st.floats(1e-4, 100))
def test_time_goes_on_whatever_the_surges(surges, moment, gap):
    schedule = Schedule(surges)
    for _ in range(10):
        later = schedule.after(moment, gap)
        assert later >= moment
        moment = later


@given(surges, st.floats(0, 1e4), st.floats(0, 50), st.floats(0, 50))
def test_two_gaps_are_as_long_as_their_sum(surges, moment, first, second):
    schedule = Schedule(surges)
    stepwise = schedule.after(schedule.after(moment, first), second)
    assert stepwise == pytest.approx(Schedule(surges).after(moment, first + second), abs=1e-6)


def config(tmp_path, **settings):
    return Config(dataset=tmp_path, **settings)


def test_a_host_writes_the_share_of_its_slices(tmp_path):
    pace = Pace(config(tmp_path, lines_per_second=8), range(256))
    assert pace.gap(0, 0) == 0.5


def test_poisson_gaps_have_the_right_mean_and_are_the_same_in_every_run(tmp_path):
    settings = config(tmp_path, pace="poisson", lines_per_second=10)
    pace, other = Pace(settings, range(1024)), Pace(settings, range(1024))
    gaps = [pace.gap(number, 0) for number in range(20_000)]
    assert sum(gaps) == pytest.approx(2000, rel=0.03)
    assert sum(gap > 0.2 for gap in gaps) == pytest.approx(20_000 * 0.1353, rel=0.05)
    assert [other.gap(number, 0) for number in (15_000, 3, 1024)] == [
        gaps[15_000],
        gaps[3],
        gaps[1024],
    ]
    assert Pace(config(tmp_path, pace="poisson", seed=2), range(1024)).gap(0, 0) != gaps[0]


def test_two_hosts_do_not_write_in_step(tmp_path):
    one, two = (
        Pace(config(tmp_path, pace="poisson"), owned) for owned in (range(512), range(512, 1024))
    )
    assert all(one.gap(number, 0) != two.gap(number, 0) for number in range(100))


def test_recorded_gaps_are_sped_up(tmp_path):
    pace = Pace(config(tmp_path, pace="recorded", recorded_speed=120), range(1024))
    assert pace.gap(5, 60.0) == 0.5


def test_lines_come_singly():
    found = moments(DEFAULT, 0.5, 120)
    assert min(b - a for a, b in pairwise(found)) > 0.08
