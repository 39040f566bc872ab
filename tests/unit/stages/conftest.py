"""Fixtures that several files of this folder share."""

from __future__ import annotations

import shutil

import pytest
from older_films import opened, trained, write
from sample_cases import ROOT, make_base, make_files


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="session")
def sampling(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="session")
def older_folder(tmp_path_factory):
    """Where the paths of older configs lead: prepared films, and the same ones with less in them."""
    folder = tmp_path_factory.mktemp("older")
    write(folder / "films")
    write(folder / "faint", scale=0.1)
    return folder


@pytest.fixture(scope="session")
def older(older_folder):
    """A function that opens an older config with some sections changed."""
    return lambda **sections: opened(older_folder, **sections)


@pytest.fixture(scope="session")
def older_run(older, tmp_path_factory):
    """A function that trains such a config."""
    return lambda **sections: trained(older(**sections), tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def older_plain(older_run):
    """The training with nothing changed."""
    return older_run()


@pytest.fixture(scope="session")
def one_film(tmp_path_factory):
    """(workspace, source) of one film of the demo: what one file's tests have prepared the next ones find."""
    workspace, source = tmp_path_factory.mktemp("workspace"), tmp_path_factory.mktemp("footage")
    for path in (ROOT / "data" / "footage").glob("wide*"):
        shutil.copy(path, source)
    return workspace, source
