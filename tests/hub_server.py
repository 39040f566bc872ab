"""A model hub on loopback: as much of the Hugging Face hub's HTTP API as a push takes, with Git LFS.

It keeps what it receives, checks every digest, validates a card's front matter, and answers errors on demand.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from hub_rules import AnswerError, git_oid, mode, validated

TOKEN = "hf_standInTokenOfTheTests0"
OWNER = "me"


@dataclass
class Repository:
    """One repository: files by branch, and the commits."""

    private: bool = False
    branches: dict[str, dict[str, bytes]] = field(default_factory=lambda: {"main": {}})
    commits: list[str] = field(default_factory=list)

    @property
    def sha(self) -> str:
        return hashlib.sha1("".join(self.commits).encode()).hexdigest()


class Raw(bytes):
    """A file as an answer."""


@dataclass
class Hold:
    """A request that the hub is slow with.

    Attributes:
        after: it is held when it was carried out, before the answer; else before its body is read.
        dropped: it is not carried out, as when the connection is lost.
        reached: set when it has come.
        go: to be set; until then it is held.
    """

    after: bool = False
    dropped: bool = False
    reached: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)


@dataclass
class Hub:
    """What the stand-in holds.

    Attributes:
        endpoint: its address.
        repositories: by name.
        objects: large files by digest.
        requests: (method, path) of everything that was asked.
        faults: (method, part of a path) -> status to answer instead; each is answered once.
        holds: the same -> a request that is held; each once.
        sent: bytes of large files that were received.
        headers: `Authorization` of every request.
    """

    endpoint: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    faults: dict[tuple[str, str], int] = field(default_factory=dict)
    holds: dict[tuple[str, str], Hold] = field(default_factory=dict)
    sent: int = 0
    headers: set[str] = field(default_factory=set)
    lock: Any = field(default_factory=threading.Lock)

    def files(self, name: str, branch: str = "main") -> dict[str, bytes]:
        return self.repositories[name].branches[branch]


@contextlib.contextmanager
def hub_server() -> Iterator[Hub]:
    """A running hub."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def _serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        hold = self._hold(path)
        if hold is not None and not hold.after:
            hold.reached.set()
            hold.go.wait(60)
            if hold.dropped:
                self.close_connection = True
                return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with self.hub.lock:
            self.hub.requests.append((self.command, path))
            try:
                self._fault(path)
                status, answer = 200, self._answer(path, body)
            except AnswerError as error:
                status, answer = error.status, {"error": str(error), **error.more}
                self._send(status, answer, {"X-Error-Message": str(error), "X-Error-Code": error.code})
                return
        if hold is not None and hold.after:
            hold.reached.set()
            hold.go.wait(60)
        own = {"ETag": f'"{git_oid(answer)}"', "X-Repo-Commit": "0" * 40} if isinstance(answer, Raw) else {}
        with contextlib.suppress(ConnectionError):  # who asked is gone
            self._send(status, answer, own)

    def _hold(self, path: str) -> Hold | None:
        """What this request is to be held by."""
        with self.hub.lock:
            found = [key for key in self.hub.holds if key[0] == self.command and key[1] in path]
            return self.hub.holds.pop(found[0]) if found else None

    def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        data = answer if isinstance(answer, Raw) else json.dumps(answer).encode()
        data = b"" if answer is None else data
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _fault(self, path: str) -> None:
        for (method, part), status in list(self.hub.faults.items()):
            if method == self.command and part in path:
                del self.hub.faults[method, part]
                raise AnswerError(status, f"made to fail ({self.headers.get('Authorization')})")

    def _answer(self, path: str, body: bytes) -> Any:
        if path.startswith("/lfs/"):  # an address that is signed in the real one: it takes no token
            return self._put(path, body)
        if path == "/api/validate-yaml":
            return validated(json.loads(body))
        authorization = self.headers.get("Authorization") or ""
        self.hub.headers.add(authorization)
        if authorization != f"Bearer {TOKEN}":
            raise AnswerError(401, "Invalid username or password.")
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        if found := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self._batch(self._repository(found[1]), json.loads(body))
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(\w+)/(.+))?", path):
            repository = self._repository(found[1])
            return self._model(repository, found[1], found[2] or "revision", found[3] or "main", body)
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/(.+)", path):
            return self._file(self._repository(found[1]), found[2])
        raise AnswerError(404, f"nothing is at {path}")

    def _create(self, wish: dict[str, Any]) -> Any:
        name = f"{wish['organization']}/{wish['name']}"
        if wish["organization"] != OWNER:
            raise AnswerError(403, "You don't have the rights to create a model under this namespace")
        url = f"{self.hub.endpoint}/{name}"
        if name in self.hub.repositories:
            raise AnswerError(409, f"You already created this model repo: {url}", url=url)
        self.hub.repositories[name] = Repository(wish.get("visibility") == "private")
        return {"url": url, "name": name}

    def _repository(self, name: str) -> Repository:
        if name not in self.hub.repositories:
            raise AnswerError(404, "Repository not found", "RepoNotFound")
        return self.hub.repositories[name]

    def _model(self, repository: Repository, name: str, what: str, branch: str, body: bytes) -> Any:
        if what == "branch":
            if branch in repository.branches:
                raise AnswerError(409, "Reference already exists")
            repository.branches[branch] = dict(repository.branches["main"])
            return None
        branch = branch.strip("/")
        if branch not in repository.branches:
            raise AnswerError(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        files = repository.branches[branch]
        if what == "revision":
            listed = [{"rfilename": path} for path in files]
            return {"id": name, "sha": repository.sha, "private": repository.private, "siblings": listed}
        if what == "tree":
            return [
                {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
                for path, content in files.items()
            ]
        if what == "preupload":
            return {"files": [mode(one, files) for one in json.loads(body)["files"]]}
        if what == "commit":
            return self._commit(repository, name, files, body)
        raise AnswerError(404, f"no {what}")

    def _file(self, repository: Repository, path: str) -> Raw:
        for branch, files in repository.branches.items():
            if path.startswith(f"{branch}/") and path.removeprefix(f"{branch}/") in files:
                return Raw(files[path.removeprefix(f"{branch}/")])
        raise AnswerError(404, "Entry not found", "EntryNotFound")

    def _batch(self, repository: Repository, wish: dict[str, Any]) -> Any:
        assert wish["operation"] == "upload" and wish["hash_algo"] == "sha256"
        objects = []
        for one in wish["objects"]:
            put = {"upload": {"href": f"{self.hub.endpoint}/lfs/{one['oid']}"}}
            objects.append(one if one["oid"] in self.hub.objects else {**one, "actions": put})
        return {"transfer": "basic", "objects": objects}

    def _put(self, path: str, body: bytes) -> None:
        oid = path.removeprefix("/lfs/")
        if hashlib.sha256(body).hexdigest() != oid:
            raise AnswerError(400, "the content has another digest")
        self.hub.objects[oid] = body
        self.hub.sent += len(body)

    def _commit(self, repository: Repository, name: str, files: dict[str, bytes], body: bytes) -> Any:
        lines = [json.loads(line) for line in body.splitlines() if line]
        assert lines[0]["key"] == "header" and lines[0]["value"]["summary"]
        if lines[0]["value"].get("parentCommit", repository.sha) != repository.sha:
            raise AnswerError(412, "A commit has happened since. Please refresh and try again.")
        changed = dict(files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                changed[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                content = self.hub.objects.get(value["oid"])
                if content is None or len(content) != value["size"]:
                    raise AnswerError(400, f"the object of {value['path']} was not uploaded")
                changed[value["path"]] = content
            elif line["key"] == "deletedFile":
                del changed[value["path"]]
            else:
                raise AnswerError(400, f"no such operation: {line['key']}")
        files.clear()
        files.update(changed)
        repository.commits.append(lines[0]["value"]["summary"])
        url = f"{self.hub.endpoint}/{name}/commit/{repository.sha}"
        return {"success": True, "commitUrl": url, "commitOid": repository.sha}
