"""Repositories by name: the copy on this machine, what is missing of one, and why one cannot be got."""

from __future__ import annotations

import json
import shutil

import httpx
import pytest
from zoo.folders import build_model

from ltx_core.models import hub
from ltx_core.models.errors import ModelError
from ltx_core.models.info import ModelInfo

NAME, REVISION = "owner/tiny", "0" * 40


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def copy(cache):
    """A repository's whole copy."""
    place = cache / "models--owner--tiny"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(REVISION)
    return build_model(place / "snapshots" / REVISION, "ltx2", "2.3", shard="60KB")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("owner/name", ("owner/name", None, "")),
        ("owner/na.me-1@v2", ("owner/na.me-1", "v2", "")),
        ("owner/name/vae/one.safetensors", ("owner/name", None, "vae/one.safetensors")),
        ("owner/name@v2/one.safetensors", ("owner/name", "v2", "one.safetensors")),
        ("name", None),
        ("/owner/name", None),
        ("../owner", None),
        ("owner/name/folder", None),
    ],
)
def test_what_is_a_name(text, wanted):
    found = hub.HubName.of(text)
    assert (found and (found.repository, found.revision, found.file)) == wanted


def test_a_folder_of_that_name_is_no_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert hub.is_hub_id("owner/name")
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert not hub.is_hub_id("owner/name")


def test_a_whole_copy_is_read_without_a_network(copy):
    info = ModelInfo.read(NAME)
    assert info.version == "2.3" and info.part("vae").place == copy / "vae"
    assert ModelInfo.read(f"{NAME}@{REVISION}").fingerprint() == info.fingerprint()
    assert hub.fetch(NAME, pytest.fail) == copy, "nothing is to be got"


def test_what_is_not_here_is_refused_with_how_to_get_it(cache):
    assert not hub.is_downloaded(NAME)
    with pytest.raises(ModelError, match=f"has not been downloaded.*`hf download {NAME} --revision v2`"):
        hub.local_copy(f"{NAME}@v2")
    with pytest.raises(ModelError, match="has not been downloaded"):
        hub.fetch(NAME)


def test_a_copy_that_lacks_a_shard_is_refused_naming_it(copy):
    shard = sorted((copy / "transformer").glob("*.safetensors"))[1]
    shard.unlink()
    with pytest.raises(ModelError, match=f"not whole.*transformer/{shard.name} is missing"):
        hub.local_copy(NAME)
    shutil.rmtree(copy / "connectors")
    with pytest.raises(ModelError, match="connectors/ is missing"):
        hub.local_copy(NAME)


def failure(kind, status):
    response = httpx.Response(status, request=httpx.Request("GET", "https://huggingface.co/api"))
    return kind("the library's words", response=response)


def refusals():
    from huggingface_hub import errors

    return [
        (failure(errors.GatedRepoError, 403), ["is gated", "accept its licence", "hf auth login"]),
        (failure(errors.RepositoryNotFoundError, 404), ["does not exist, or is private", "hf auth login"]),
        (failure(errors.RevisionNotFoundError, 404), ["has no revision"]),
        (failure(errors.HfHubHTTPError, 401), ["no access (status 401)"]),
        (failure(errors.HfHubHTTPError, 500), ["could not be reached", "hf download owner/tiny"]),
        (ConnectionError("no route"), ["could not be reached", "check the network"]),
    ]


@pytest.mark.parametrize("number", range(6))
def test_why_a_repository_cannot_be_got(number, cache, monkeypatch):
    error, words = refusals()[number]

    def refuse(name, *, local_files_only=False, **_):
        raise FileNotFoundError("not in the cache") if local_files_only else error

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_a_secret")
    told = []
    with pytest.raises(ModelError) as caught:
        hub.fetch(NAME, told.append)
    assert [word for word in words if word not in str(caught.value)] == []
    assert "hf_a_secret" not in str(caught.value) + "".join(told) and len(told) == 1


def test_only_components_are_downloaded_and_a_repository_without_them_is_refused(cache, monkeypatch):
    asked = []

    def give(name, *, allow_patterns=(), local_files_only=False, **_):
        if local_files_only:
            raise FileNotFoundError
        asked.extend(allow_patterns)
        (cache / "got").mkdir(parents=True)
        (cache / "got" / "model_index.json").write_text(json.dumps({"transformer": ["diffusers", "X"]}))
        return str(cache / "got")

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with pytest.raises(ModelError, match=r"has no transformer/\. Name one of its files"):
        hub.fetch(NAME)
    assert "transformer/*" in asked and not any("*" in one.split("/")[0] for one in asked)
