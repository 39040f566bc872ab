"""A folder to a repository of a hub: the real client speaks to a stand-in of its API over a socket."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_rules import LFS_ABOVE
from hub_server import TOKEN, Hold, Hub, Repository, hub_server

from ltx_core.models.hub_push import PushError, Target, listed, push

NAME = "me/foxes"
ROOT = Path(__file__).parents[3]
WEIGHTS = ("lora.safetensors", "best/lora.safetensors")
CARD = "---\nlicense: apache-2.0\nbase_model: Lightricks/LTX-2\n---\n# foxes\n"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with hub_server() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "README.md": CARD.encode(),
        "lora.safetensors": bytes(range(256)) * 40,
        "best/lora.safetensors": b"b" * 3000,
        "samples/01.mp4": b"film" * 700,
        "samples/02.mp4": b"other" * 700,
        "lineage.json": b'{"lineage": {"folder": "foxes-1"}}',
    }
    for name, content in files.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(content)
    return tmp_path / "out"


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name, _ in listed(folder)}


def sent(folder: Path) -> dict[str, bytes]:
    """What must arrive: every file, and in the lineage a list of them."""
    found = contents(folder)
    lineage = {**json.loads(found["lineage.json"]), "files": list(found)}
    return {**found, "lineage.json": (json.dumps(lineage, indent=2) + "\n").encode()}


def test_every_file_arrives_once_and_what_an_earlier_push_left_goes(hub: Hub, folder: Path):
    told: list[str] = []
    target = Target(NAME, private=True, endpoint=hub.endpoint)
    first = push(folder, target, "foxes (0123abcd)", told.append)
    assert hub.files(NAME) == sent(folder) and hub.repositories[NAME].private
    assert (first.files, first.commit) == (6, hub.repositories[NAME].sha)
    assert first.nbytes == sum(map(len, contents(folder).values()))
    assert hub.repositories[NAME].commits == ["foxes (0123abcd)"]
    assert told == [f"pushing 6 files to {hub.endpoint}/{NAME}"]

    hub.files(NAME)["notes.txt"] = b"the owner's own"
    (folder / "samples" / "02.mp4").unlink()
    (folder / "lora.safetensors").write_bytes(b"newer" * 999)
    before = hub.sent
    second = push(folder, target, "foxes (4567cdef)")
    assert hub.files(NAME) == {**sent(folder), "notes.txt": b"the owner's own"}
    assert hub.sent - before == 999 * 5, "only what has changed is sent"
    assert push(folder, target, "again").commit == second.commit != first.commit
    assert len(hub.repositories[NAME].commits) == 2


def test_what_others_have_put_there_is_never_touched(hub: Hub, folder: Path):
    """A name of ours is no proof: what a push has left there goes or is replaced, nothing else."""
    target, told = Target(NAME, endpoint=hub.endpoint), []
    push(folder, target, "foxes")
    theirs = {"model.safetensors": b"base", "best/notes.safetensors": b"own", "vae/config.json": b"{}"}
    hub.files(NAME).update(theirs)
    (folder / "best" / "lora.safetensors").unlink()
    (folder / "transformer").mkdir()
    (folder / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(b"all of it")
    push(folder, target, "full weights", told.append)
    assert hub.files(NAME) == {**theirs, **sent(folder)}
    assert told[1].endswith("no push has left them there: best/notes.safetensors, model.safetensors")

    before, commits = dict(hub.files(NAME)), list(hub.repositories[NAME].commits)
    (folder / "model.safetensors").write_bytes(b"ours")
    with pytest.raises(PushError, match=r"no push has left there, .*: model\.safetensors\. Rename or delete"):
        push(folder, target, "another form")
    assert (hub.files(NAME), hub.repositories[NAME].commits) == (before, commits)
    del hub.files(NAME)["model.safetensors"]
    push(folder, target, "another form")
    (folder / "model.safetensors").unlink()
    push(folder, target, "without it")
    assert "model.safetensors" not in hub.files(NAME) and "best/notes.safetensors" in hub.files(NAME)


def test_a_repository_that_others_or_an_earlier_version_have_filled(hub: Hub, folder: Path):
    for name, files in {
        "me/new": {"README.md": b"---\nlicense: mit\n---\n", ".gitattributes": b"*.bin"},
        "me/earlier": {**contents(folder), "merged.safetensors": b"stale", "README.md": b"# older"},
        "me/theirs": {"README.md": b"---\nlicense: mit\n---\n# Our own text", "lora.safetensors": b"own"},
    }.items():
        hub.repositories[name] = Repository(branches={"main": dict(files)})
    push(folder, Target("me/new", endpoint=hub.endpoint), "foxes")
    assert hub.files("me/new") == {**sent(folder), ".gitattributes": b"*.bin"}
    told: list[str] = []
    push(folder, Target("me/earlier", endpoint=hub.endpoint), "foxes", told.append)
    assert hub.files("me/earlier") == {**sent(folder), "merged.safetensors": b"stale"}
    assert told[1].startswith("kept in me/earlier") and told[1].endswith("there: merged.safetensors")
    with pytest.raises(PushError, match=r"no push has left there, .*: README\.md, lora\.safetensors\. "):
        push(folder, Target("me/theirs", endpoint=hub.endpoint), "foxes")
    assert hub.files("me/theirs")["lora.safetensors"] == b"own"


PUSH = """
import sys
from pathlib import Path
from ltx_core.models.hub_push import Target, push
push(Path(sys.argv[1]), Target("me/foxes", endpoint=sys.argv[2]), "foxes")
"""


@pytest.mark.prove
@pytest.mark.parametrize(
    ("request_", "hold"),
    [
        (("PUT", "/lfs/"), Hold(dropped=True)),
        (("POST", "/commit/"), Hold(dropped=True)),
        (("POST", "/commit/"), Hold(after=True)),
    ],
    ids=["in a file", "before the commit", "before the answer to the commit"],
)
def test_a_push_that_is_killed_leaves_nothing_by_halves(
    hub: Hub, folder: Path, request_: tuple[str, str], hold: Hold
):
    """And the next one ends with the same repository, as one commit, and sends no file twice."""
    (folder / "lora.safetensors").write_bytes(bytes(range(256)) * 2**16)  # more than what waits in sockets
    hub.holds[request_] = hold
    environment = os.environ | {"HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", PUSH, str(folder), hub.endpoint], env=environment)
    try:
        assert hold.reached.wait(60) and process.poll() is None
    finally:
        process.kill()
        process.wait()
    whole = hold.after
    assert hub.files(NAME) == (sent(folder) if whole else {})
    hold.go.set()
    push(folder, Target(NAME, endpoint=hub.endpoint), "foxes")
    assert hub.files(NAME) == sent(folder)
    assert hub.repositories[NAME].commits == ["foxes"]
    large = {data for name, data in contents(folder).items() if len(data) > LFS_ABOVE or name in WEIGHTS}
    assert hub.sent == sum(map(len, large)), "each large file was received once"


def test_a_branch_is_made_and_the_main_one_stays(hub: Hub, folder: Path):
    for _ in range(2):
        push(folder, Target(NAME, endpoint=hub.endpoint, revision="v2/beta"), "foxes")
    assert hub.files(NAME, "v2/beta") == sent(folder) and hub.files(NAME) == {}


def test_a_public_repository_is_not_taken_for_a_private_one(hub: Hub, folder: Path):
    push(folder, Target(NAME, endpoint=hub.endpoint), "foxes")
    (folder / "secret.txt").write_text("for friends")
    with pytest.raises(PushError, match=r"is there already and public, but hub\.private is true"):
        push(folder, Target(NAME, private=True, endpoint=hub.endpoint), "foxes")
    assert "secret.txt" not in hub.files(NAME)


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        (("POST", "/repos/create"), 500, r"fails \(status 500.*wait until it works"),
        (("POST", "/repos/create"), 401, r"denies it \(status 401.*hf auth login"),
        (("POST", "/preupload/"), 403, r"denies it \(status 403.*may write to me, or set HF_TOKEN"),
        (("POST", "/preupload/"), 404, r"no such owner or branch \(status 404"),
        (("POST", "/commit/"), 412, r"is busy with it, or the branch moved"),
        (("POST", "/commit/"), 502, r"fails \(status 502"),
        (("PUT", "/lfs/"), 400, r"refuses it \("),
    ],
)
def test_a_failure_says_what_to_do_and_the_next_try_goes_on(
    hub: Hub, folder: Path, fault: tuple[str, str], status: int, says: str
):
    target = Target(NAME, endpoint=hub.endpoint)
    hub.faults[fault] = status
    with pytest.raises(PushError, match=says) as failed:
        push(folder, target, "foxes")
    assert "Nothing is lost" in str(failed.value) and str(folder) in str(failed.value)
    assert TOKEN not in str(failed.value) and TOKEN not in repr(failed.value.__cause__)
    assert not hub.repositories.get(NAME) or hub.files(NAME) == {}
    arrived, before = dict(hub.objects), hub.sent
    push(folder, target, "foxes")
    assert hub.files(NAME) == sent(folder)
    large = {
        hashlib.sha256(data).hexdigest(): len(data) for data in contents(folder).values() if len(data) > 1000
    }
    assert hub.sent - before == sum(size for oid, size in large.items() if oid not in arrived)


def test_without_a_token_a_network_or_an_allowance_it_says_so(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(PushError, match=r"status 403: .*rights to create .* may write to others"):
        push(folder, Target("others/foxes", endpoint=hub.endpoint), "foxes")
    with pytest.raises(PushError, match=r"http://127.0.0.1:9 cannot be reached \(ConnectError"):
        push(folder, Target(NAME, endpoint="http://127.0.0.1:9"), "foxes")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(folder / "none"))
    with pytest.raises(PushError, match="status 401: Invalid username"):
        push(folder, Target(NAME, endpoint=hub.endpoint), "foxes")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = len(hub.requests)
    with pytest.raises(PushError, match="HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set"):
        push(folder, Target(NAME, endpoint=hub.endpoint), "foxes")
    assert len(hub.requests) == asked and hub.repositories == {}


def test_a_card_that_the_hub_refuses_is_told(hub: Hub, folder: Path):
    (folder / "README.md").write_text("---\nlicense: my own\n---\n")
    with pytest.raises(PushError, match='"license" must be one of'):
        push(folder, Target(NAME, endpoint=hub.endpoint), "foxes")
