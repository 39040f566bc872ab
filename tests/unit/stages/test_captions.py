"""Captions by the stages: what is asked, remembered, counted, given up, and what a change asks anew."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ltx_core.config.load import load
from ltx_core.curation.captioning.journal import Answered, Journal
from ltx_core.curation.captioning.outcome import EndpointError
from ltx_core.errors import ConfigError, LtxError
from ltx_core.run import Pipeline
from ltx_core.stages.caption_costs import caption_notes, cost_line

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / "tests" / "unit" / "models"))
USAGE = {"prompt_tokens": 1000, "completion_tokens": 50}


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.bodies.append(body)
            number = len(self.server.bodies)
        status, answer = self.server.answer(number, body)
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Quiet."""


def said(text):
    return 200, {"choices": [{"message": {"content": text}}], "usage": USAGE}


@pytest.fixture
def server():
    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.lock, found.bodies = threading.Lock(), []
    found.answer = lambda number, body: said(f"The video shows thing number {number}.")
    threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    for name in ("wide.mp4", "silent_film.mp4"):
        shutil.copy(ROOT / "data" / "footage" / name, folder)
    return folder


@pytest.fixture(scope="module")
def clips(films, tmp_path_factory):
    """A workspace in which the clips are known; copied by each test."""
    workspace = tmp_path_factory.mktemp("known") / "workspace"
    prepare(pipeline(workspace, films), "clips")
    return workspace


@pytest.fixture
def workspace(clips, tmp_path):
    shutil.copytree(clips, tmp_path / "workspace")
    return tmp_path / "workspace"


def pipeline(workspace, films, *overrides, server=None):
    settings = [
        f"workspace={workspace}",
        f"dataset.source={films}",
        "engine.threads=1",
        "acceleration.threads=1",
    ]
    if server is not None:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        asked = {
            "captioner": "endpoint",
            "model": "tiny",
            "base_url": url,
            "retries": 0,
            "images": 1,
            "sound": False,
        }
        settings += [f"dataset.captions.{name}={json.dumps(value)}" for name, value in asked.items()]
    return Pipeline(load(ROOT / "configs" / "t2v_lora.yaml", [*settings, *overrides], ROOT))


def prepare(pipe, until="captions"):
    manifests = {}
    for stage in pipe.stages(until):
        for chunk in pipe.plan(stage).chunks:
            manifests[stage] = pipe.compute(stage, chunk)
    return manifests


def rows(pipe):
    pipe.context.refresh()
    return [row for _, row in pipe.context.results("captions")]


def test_answers_are_counted_and_cleaned_anew_without_asking(server, workspace, films):
    prices = ("dataset.captions.price_in=2.0", "dataset.captions.price_out=10.0")
    manifest = prepare(pipeline(workspace, films, *prices, server=server))["captions"]
    count = len(server.bodies)
    assert manifest["caption_sources"] == {"endpoint": count} and count == manifest["rows"] > 3
    assert (manifest["prompt_tokens"], manifest["completion_tokens"]) == (1000 * count, 50 * count)
    assert manifest["cost"] == pytest.approx(count * 0.0025)
    pipe = pipeline(workspace, films, *prices, server=server)
    assert cost_line(pipe.context, pipe.plans()) == f"{count} requests so far, cost {count * 0.0025:.4g}"
    new = pipeline(workspace, films, *prices, "dataset.captions.max_tokens=99", server=server)
    assert f"; {count} clips to ask about: about {1050 * count:,} tokens" in cost_line(
        new.context, new.plans()
    )
    found = rows(pipeline(workspace, films, server=server))
    assert {row.columns["raw"][:15] for row in found} == {"The video shows"}
    assert {row.columns["caption"][:12] for row in found} == {"Thing number"}
    # Another way to clean asks nobody; another prompt, hint or clip's prompt asks for each.
    again = pipeline(workspace, films, 'dataset.captions.remove=["thing number"]', server=server)
    assert prepare(again)["captions"]["rows"] == count and len(server.bodies) == count
    assert all(row.columns["caption"].rstrip(".").isdigit() for row in rows(again))
    prepare(pipeline(workspace, films, "dataset.captions.hint=a test", server=server))
    assert len(server.bodies) == 2 * count
    assert all("footage: a test" in json.dumps(body) for body in server.bodies[count:])
    own = "dataset.captions.prompt=What is in {file}, {has_sound}, of {duration} s?"
    prepare(pipeline(workspace, films, own, server=server))
    asked = {body["messages"][0]["content"][-1]["text"] for body in server.bodies[2 * count :]}
    assert asked == {
        "What is in wide, with sound, of 1.1 s?",
        "What is in silent_film, without sound, of 1.1 s?",
    }


def test_options_at_their_default_are_no_part_of_the_key(workspace, films, server):
    """A section as it was before there were presets, hints and limits: captions cost money, keys last."""
    pipe = pipeline(workspace, films, server=server)
    section = pipe.registry["captions"].section(pipe.context)
    assert set(section) == {
        "captioner", "model", "max_tokens", "temperature", "extra_body", "prompt", "mode", "images", "sound",
    }  # fmt: skip
    same = ("retries=9", "concurrency=1", "max_cost=5", "price_in=1", "requests_per_minute=9", "attempts=3")
    other = pipeline(workspace, films, *(f"dataset.captions.{text}" for text in same), server=server)
    assert other.registry["captions"].section(other.context) == section
    omni = pipeline(workspace, films, "dataset.captions.preset=vllm_qwen_omni", server=server)
    found = omni.registry["captions"].section(omni.context)
    assert found["mode"] == "video" and found["extra_body"]["mm_processor_kwargs"] == {"fps": 2.0}
    phrase = pipeline(workspace, films)
    assert phrase.registry["captions"].section(phrase.context) == {"captioner": "describe"}


def test_answers_that_were_given_are_not_asked_for_again_after_a_failure(server, workspace, films):
    total = prepare(pipeline(workspace, films))["captions"]["rows"]

    def fails_at_four(number, body):
        return said(f"Thing {number}.") if number < 4 else (401, {"error": "who are you"})

    pipe = pipeline(workspace, films)
    assert caption_notes(pipe.context).endswith("measured and say nothing of content")
    server.answer = fails_at_four
    with pytest.raises(EndpointError, match=r"\.mp4 #\d+: .*refused the key"):
        prepare(pipeline(workspace, films, "dataset.captions.concurrency=1", server=server))
    assert len(server.bodies) == 4
    server.answer = lambda number, body: said(f"Thing {number}.")
    prepare(pipeline(workspace, films, server=server))
    assert len(server.bodies) == total + 1
    texts = {row.columns["caption"] for row in rows(pipeline(workspace, films, server=server))}
    assert {"Thing 1.", "Thing 2.", "Thing 3."} < texts and len(texts) == total


def test_a_bad_answer_is_asked_for_again_and_then_the_clips_reason(server, workspace, films):
    def refuses(number, body):
        return said("I'm sorry, I can't help." if number != 3 else "A cat.")

    server.answer = refuses
    manifest = prepare(pipeline(workspace, films, "dataset.captions.concurrency=1", server=server))[
        "captions"
    ]
    assert {body["temperature"] for body in server.bodies} == {0.0, 0.4}
    assert len(server.bodies) == 2 * manifest["rows"] - 1 and manifest["ok"] == 1
    assert {reason for _, reason in manifest["rejected"]} == {
        "no caption: the captioner refused (I'm sorry, I can't help.)"
    }
    assert manifest["requests"] == len(server.bodies)
    refused = [row for row in rows(pipeline(workspace, films, server=server)) if not row.ok]
    assert all(row.columns["raw"] == "I'm sorry, I can't help." for row in refused)


def test_a_server_that_only_refuses_ends_the_run_and_one_that_works_sets_a_clip_aside(
    server, workspace, films
):
    long = {"error": {"message": "This model's maximum context length is 4096 tokens."}}
    server.answer = lambda number, body: (400, long)
    with pytest.raises(LtxError, match=r"refused each of the first 5 clips .*maximum context length"):
        prepare(pipeline(workspace, films, server=server))
    assert pipeline(workspace, films, server=server).plan("captions").cached == 0
    server.bodies.clear()
    server.answer = lambda number, body: (400, long) if number == 2 else said(f"Thing {number}.")
    found = prepare(pipeline(workspace, films, server=server))["captions"]
    ((_, reason),) = found["rejected"]
    assert reason.startswith("refused by the captioner: HTTP 400: This model's maximum context length")


def test_a_mended_phrase_brings_a_caption_back_and_a_lost_run_asks_no_more(server, workspace, films):
    settings = ("dataset.captions.concurrency=1", "dataset.captions.attempts=1")
    server.answer = lambda number, body: said("Thing one.")
    wrong = 'dataset.captions.remove=["thing one."]'
    manifest = prepare(pipeline(workspace, films, *settings, wrong, server=server))["captions"]
    asked = len(server.bodies)
    assert manifest["ok"] == 0 and asked == manifest["rows"] > 6
    mended = prepare(pipeline(workspace, films, *settings, server=server))["captions"]
    assert mended["ok"] == asked == len(server.bodies)
    server.bodies.clear()
    long = {"error": {"message": "This model's maximum context length is 4096 tokens."}}
    server.answer = lambda number, body: time.sleep(0.1) or (400, long)  # time to take note of it
    shutil.rmtree(workspace / "captions")
    with pytest.raises(LtxError, match="refused each of the first 5 clips"):
        prepare(pipeline(workspace, films, *settings, "dataset.captions.model=other", server=server))
    assert len(server.bodies) < asked


def test_what_captions_may_cost_is_kept_over_all_runs(server, workspace, films):
    limit = [
        f"dataset.captions.{text}"
        for text in ("price_in=1000", "max_cost=3.5", "concurrency=1", "max_tokens=1")
    ]
    for _ in range(2):
        with pytest.raises(LtxError, match=r"captions have cost 3 of the 3\.5 that .*max_cost allows"):
            prepare(pipeline(workspace, films, *limit, server=server))
    assert len(server.bodies) == 3  # 1000 tokens at 1000 a million each: the fourth would be one too many


def test_the_journal_keeps_whole_lines_and_goes_when_the_store_has_them(tmp_path):
    journal = Journal(tmp_path / "answers")
    with journal.writing() as keep:
        keep("a", Answered("one \N{DOG FACE}\u2028 line", prompt_tokens=3))
        keep("b", Answered("", problem="no caption"))
        journal.sweep(lambda asked: True)  # it is being written
    (path,) = (tmp_path / "answers").iterdir()
    path.write_bytes(path.read_bytes() + b'["c", {"raw": "cut of')
    assert journal.load() == {
        "a": Answered("one \N{DOG FACE}\u2028 line", prompt_tokens=3),
        "b": Answered("", problem="no caption"),
    }
    journal.sweep(lambda asked: asked == "a")
    assert path.exists()
    journal.sweep(lambda asked: asked in "ab")
    assert not path.exists()


def test_a_model_in_this_process_writes_captions_and_is_part_of_their_key(workspace, films, tmp_path):
    from tiny_captioners import save

    options = ["captioner=transformers", "max_tokens=2", "batch_size=3"]
    first, second = (
        save("qwen2_5_omni", tmp_path / name, seed) for seed, name in enumerate(("first", "second"))
    )

    def of(folder, *further):
        settings = (*options, f"model={folder}", *further)
        return pipeline(workspace, films, *(f"dataset.captions.{text}" for text in settings))

    manifest = prepare(of(first))["captions"]
    answers = {row.columns["sent"] for row in rows(of(first))}
    assert manifest["caption_sources"].keys() <= {"transformers"} and manifest["requests"] == manifest["rows"]
    assert answers == {"video", "video+audio"}
    moved = tmp_path / "moved"
    first.rename(moved)
    assert prepare(of(moved, "batch_size=1")) == {}
    assert of(second).plan("captions").missing == manifest["rows"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("captioner=endpoint",), "captions.model is empty"),
        (("captioner=gemini", "model=x", "api_key_env=NO_SUCH_KEY"), "NO_SUCH_KEY is empty"),
        (("captioner=endpoint", "model=x", "max_cost=2"), "no price is known"),
        (("captioner=endpoint", "model=x", "prompt=Say {colour} of it"), "the placeholder {colour}"),
        (("captioner=endpoint", "model=x", "prompt=ltx3"), "neither a template"),
        (("captioner=transformers", "model=nowhere"), "is no folder"),
    ],
)
def test_what_cannot_end_well_is_refused_before_anything_runs(workspace, films, options, message):
    pipe = pipeline(workspace, films, *(f"dataset.captions.{text}" for text in options))
    with pytest.raises(ConfigError, match=message):
        pipe.refuse()
