"""On a GPU one model is resident at a time: who leaves, who comes back, in which order."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from ltx_core.config.load import load
from ltx_core.models.aside import Aside
from ltx_core.models.codecs import VideoCodec
from ltx_core.run import Pipeline
from ltx_core.stages import models as room

ROOT = Path(__file__).parents[3]


@pytest.fixture
def context(tmp_path):
    """The demo's."""
    return Pipeline(load(ROOT / "configs" / "demo.yaml", [f"workspace={tmp_path}"], ROOT)).context


@pytest.fixture
def events(monkeypatch):
    """What a GPU would see of the models of a process; loading takes no memory here."""
    seen = []

    class Waiting(Aside):
        waiting = False

        def wait(self):
            self.waiting = True
            seen.append("transformer leaves")

        def wake(self):
            self.waiting = False
            seen.append("transformer comes")

    monkeypatch.setattr(room, "Aside", Waiting)
    monkeypatch.setattr(room.Models, "device", torch.device("cuda"))
    monkeypatch.setattr(room.torch.cuda, "empty_cache", lambda: seen.append("memory is free"))
    return seen


def test_no_two_models_share_the_device(events, context, monkeypatch):
    models = context.models

    def loader(name):
        def load(*_):
            events.append(name)
            return VideoCodec(name) if name == "vae" else name

        return load

    family = type("Family", (), {"load_video_vae": loader("vae"), "load_audio": loader("audio")})
    monkeypatch.setattr(models, "_family", family)
    models.opened(torch.nn.Linear(1, 1))
    models.wake()
    assert events == [], "a transformer that is there has nothing to wait for"
    assert (models.video().vae, models.video().vae, models.audio()) == ("vae", "vae", "audio")
    assert events == [
        *("transformer leaves", "memory is free", "vae"),
        *("transformer leaves", "memory is free", "audio"),
    ]
    events.clear()
    models.wake()
    models.wake()
    assert events == ["memory is free", "transformer comes"]
    models.video()
    assert events[2:] == ["transformer leaves", "memory is free", "vae"], "it was let go of"


def test_every_pass_wakes_the_transformer_first(context):
    from ltx_core.stages.network import open_training

    velocity = open_training(context)
    assert velocity.wake == context.models.wake
    assert context.models._transformer.module is velocity.model


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_weights_leave_and_come_back_as_they_were():
    module = torch.nn.Sequential(torch.nn.Linear(3, 3).cuda(), torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    before = {name: (value.device, value.clone()) for name, value in module.state_dict().items()}
    ids = [id(parameter) for parameter in module.parameters()]
    aside = Aside(module)
    aside.wait()
    assert {value.device.type for value in module.state_dict().values()} == {"cpu"} and aside.waiting
    aside.wake()
    assert [id(parameter) for parameter in module.parameters()] == ids
    for name, value in module.state_dict().items():
        assert value.device == before[name][0] and torch.equal(value, before[name][1])
