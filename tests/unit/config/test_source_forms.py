"""`dataset.source` in all its forms: what it is read as, what it is written back as, what is refused."""

from __future__ import annotations

import pytest
import yaml

from ltx_core.config.load import build, dump
from ltx_core.config.root import Config
from ltx_core.errors import ConfigError


def read(tmp_path, source, **dataset):
    raw = {"dataset": {"source": source, **dataset}}
    return build(raw, tmp_path, "test.yaml")


def test_every_form_is_read_located_and_written_back_as_short_as_it_was(tmp_path):
    stated = {"path": "more/**/*.mp4", "weight": 2, "regularisation": True}
    listed = ["films", "s3://bucket/a b/*.mp4", stated]
    for source, written in (
        ("films", f"{tmp_path}/films"),
        ("../x/*.mp4", f"{tmp_path.parent}/x/*.mp4"),
        ("s3://bucket/films/", "s3://bucket/films"),
        (listed, [f"{tmp_path}/films", listed[1], {**stated, "path": f"{tmp_path}/more/**/*.mp4"}]),
        ({"path": "films", "repeats": 2}, {"path": f"{tmp_path}/films", "repeats": 2}),
    ):
        config = read(tmp_path, source)
        again = yaml.safe_load(dump(config))
        assert again["dataset"]["source"] == written
        assert build(again, tmp_path / "elsewhere", "again.yaml") == config
    assert [one.weight for one in read(tmp_path, listed).dataset.source] == [1.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (5, ["dataset.source", "text or a mapping with `path`", "s3://bucket/prefix", "found 5"]),
        ([], ["dataset.source", "no source; give at least one"]),
        ("  ", ["dataset.source", "an empty source"]),
        ({"path": "a", "wieght": 2}, ["dataset.source.0.wieght", "did you mean 'weight'?"]),
        (["a", {"weight": 2}], ["dataset.source.1.path", "is missing"]),
        ({"path": "a", "weight": 0}, ["dataset.source.0.weight", "greater than 0"]),
        ({"path": "a", "repeats": 1.5}, ["dataset.source.0.repeats", "whole number", "2"]),
        ({"path": "a", "regularisation": "perhaps"}, ["regularisation", "true or false"]),
        ("https://host/film.mp4?token=SECRET", ["https://host/film.mp4", "web addresses are not read"]),
        ("gs://bucket/films", ["gs:// is no address of an object store", "s3://bucket/prefix"]),
        ("s3://KEY:SECRET@bucket/films", ["dataset.source", "password", "AWS_SECRET_ACCESS_KEY"]),
        ("s3://", ["is no bucket's name", "s3://bucket/prefix"]),
    ],
)
def test_a_wrong_source_is_refused_with_what_to_write_and_no_secret(tmp_path, source, says):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, source)
    message = str(caught.value)
    assert [part for part in says if part not in message] == []
    assert "SECRET@" not in message and "token" not in message


def test_a_wrong_endpoint_is_refused_without_its_password(tmp_path):
    for endpoint, says in (
        ("minio:9000", "write it as https://HOST"),
        ("http://me:hunter2@minio:9000", "holds a name or a password"),
        ("http://minio:9000/bucket", "says more than a host"),
        ("http://minio:x", "is no address"),
    ):
        with pytest.raises(ConfigError, match=says) as caught:
            read(tmp_path, "s3://bucket", object_store={"endpoint": endpoint})
        assert "hunter2" not in str(caught.value)


def test_the_schema_that_editors_read_knows_every_form():
    section = Config.model_json_schema()["$defs"]["DatasetSection"]["properties"]["source"]
    one = [{"type": "string"}, {"$ref": "#/$defs/SourceOptions"}]
    assert section["anyOf"] == [*one, {"type": "array", "items": {"anyOf": one}}]
