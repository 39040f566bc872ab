"""Fixtures that several files of this folder share."""

from __future__ import annotations

import pytest
from sample_cases import make_base, make_files


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="session")
def sampling(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("workspace"))
