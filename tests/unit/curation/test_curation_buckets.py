"""Buckets: their notation and the rule by which a clip gets one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltx_core.curation.buckets import Bucket, choose_bucket, parse_buckets

sizes = st.integers(1, 4096)
buckets = st.lists(st.builds(Bucket, sizes, sizes, st.integers(1, 257)), min_size=1, max_size=6)


def test_notation_goes_both_ways_and_errors_show_it():
    assert Bucket.parse("64x64x9") == Bucket(64, 64, 9)
    assert str(Bucket.parse(" 768 x 448 X 89 ")) == "768x448x89"
    assert parse_buckets("768x448x89;512x512x49") == (Bucket(768, 448, 89), Bucket(512, 512, 49))
    for wrong in ("64x64", "64x64x9x9", "axbxc", "0x64x9", "", "64.5x64x9"):
        with pytest.raises(ValueError, match="write width x height x frames, as 768x448x89"):
            Bucket.parse(wrong)
    with pytest.raises(ValueError, match="at least one"):
        parse_buckets(" ; ")


def test_aspect_comes_first_then_frames_then_area():
    wide, square = Bucket(768, 448, 49), Bucket(512, 512, 89)
    assert choose_bucket(1920, 1080, 200, [square, wide]) == wide
    assert choose_bucket(1000, 1000, 200, [wide, square]) == square
    assert choose_bucket(1000, 1000, 60, [wide, square]) == wide
    longer, larger = Bucket(384, 224, 89), Bucket(1536, 896, 49)
    assert choose_bucket(1920, 1080, 200, [wide, longer, larger]) == longer
    assert choose_bucket(1920, 1080, 60, [wide, longer, larger]) == larger
    assert choose_bucket(1920, 1080, 48, [wide, square]) is None
    assert choose_bucket(1000, 1000, 60, [wide, Bucket(512, 512, 1)]) == wide, "a film is no still"
    assert choose_bucket(1920, 1080, 1, [wide, Bucket(512, 512, 1)]) == Bucket(512, 512, 1)


@given(width=sizes, height=sizes, frames=st.integers(1, 300), options=buckets)
def test_choice_is_total_and_the_order_of_buckets_does_not_matter(width, height, frames, options):
    chosen = choose_bucket(width, height, frames, options)
    fitting = [bucket for bucket in options if bucket.frames <= frames]
    fitting = [bucket for bucket in fitting if bucket.frames > 1] or fitting
    assert (chosen is None) == (not fitting)
    if chosen is not None:
        distance = {
            bucket: abs(math.log(bucket.width / bucket.height) - math.log(width / height))
            for bucket in fitting
        }
        assert distance[chosen] <= min(distance.values()) + 1e-8
    again = choose_bucket(width, height, frames, options[::-1])
    if chosen is not None:
        assert (chosen.frames, chosen.width * chosen.height) == (again.frames, again.width * again.height)
