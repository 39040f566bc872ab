"""An S3 store on loopback: moto's real server behind a proxy that counts, breaks and delays answers."""

from __future__ import annotations

import contextlib
import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

BUCKET = "films"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "hunter2",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nowhere",
    "AWS_SHARED_CREDENTIALS_FILE": "/nowhere",
}
Fault = Callable[["Request"], bool]
"""Is asked before each answer; True when it has answered in its own way."""


@dataclass(frozen=True)
class Request:
    """One request that has come in.

    Attributes:
        method: `GET` or `HEAD`.
        key: the object's, or "" of a listing.
        handler: what answers it.
        answer: gives the store's own answer: status, headers and body.
    """

    method: str
    key: str
    handler: BaseHTTPRequestHandler
    answer: Callable[[], tuple[int, list[tuple[str, str]], bytes]]

    def fail(self, status: int, code: str) -> bool:
        """Answer with an error of the store's."""
        body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.handler.send_response(status)
        self.handler.send_header("Content-Length", str(len(body)))
        self.handler.end_headers()
        if self.method != "HEAD":
            self.handler.wfile.write(body)
        return True

    def tear(self) -> bool:
        """Send half of the answer, then hang up."""
        _send(self, *self.answer(), share=0.5)
        self.handler.close_connection = True
        self.handler.connection.close()
        return True


@dataclass
class ObjectServer:
    """A bucket behind a proxy.

    Attributes:
        endpoint: address of the proxy.
        client: boto3's client of the store itself, for putting things there.
        seen: (method, key) of every request on an object, in order.
        fault: asked before each answer.
    """

    endpoint: str
    client: Any
    seen: list[tuple[str, str]] = field(default_factory=list)
    fault: Fault = field(default=lambda request: False)

    def put(self, **objects: bytes) -> None:
        """Put objects; in names, `__` stands for a slash and the last `_` for a point."""
        for name, body in objects.items():
            stem, _, suffix = name.replace("__", "/").rpartition("_")
            self.put_as(f"{stem}.{suffix}", body)

    def put_as(self, key: str, body: bytes) -> None:
        """Put one object under any name."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def delete(self, key: str) -> None:
        """Remove one."""
        self.client.delete_object(Bucket=BUCKET, Key=key)

    def clear(self) -> None:
        """Remove all, and answer as the store does."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
            if keys := [{"Key": one["Key"]} for one in page.get("Contents", ())]:
                self.client.delete_objects(Bucket=BUCKET, Delete={"Objects": keys})
        self.fault = lambda request: False
        self.seen.clear()

    def fetched(self) -> list[str]:
        """Keys whose bytes were asked for since the last call."""
        keys = [key for method, key in self.seen if method == "GET"]
        self.seen.clear()
        return sorted(keys)


@contextlib.contextmanager
def object_server() -> Iterator[ObjectServer]:
    """A store with one empty bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "hunter2"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1", **keys)
    client.create_bucket(Bucket=BUCKET)
    server = ObjectServer("", client)
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server, host, port))
    proxy.daemon_threads = True
    server.endpoint = f"http://127.0.0.1:{proxy.server_address[1]}"
    threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        proxy.shutdown()
        proxy.server_close()
        server.clear()
        store.stop()


def slowly(seconds: float) -> Fault:
    """Every object takes a while."""

    def wait(request: Request) -> bool:
        if request.method == "GET" and request.key:
            time.sleep(seconds)
        return False

    return wait


def _handler(server: ObjectServer, host: str, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            key = unquote(self.path.partition("?")[0]).removeprefix(f"/{BUCKET}").lstrip("/")
            if key:
                server.seen.append((self.command, key))
            request = Request(self.command, key, self, self.ask)
            with contextlib.suppress(ConnectionError):
                if not server.fault(request):
                    _send(request, *self.ask())

        def do_HEAD(self) -> None:
            self.do_GET()

        def ask(self) -> tuple[int, list[tuple[str, str]], bytes]:
            connection = http.client.HTTPConnection(host, port)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request(self.command, self.path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _send(
    request: Request, status: int, headers: list[tuple[str, str]], body: bytes, share: float = 1.0
) -> None:
    handler = request.handler
    handler.send_response_only(status)
    given = {name.lower(): value for name, value in headers}
    length = given.get("content-length", str(len(body)))
    for name, value in headers:
        if name.lower() not in ("connection", "transfer-encoding", "content-length"):
            handler.send_header(name, value)
    handler.send_header("Content-Length", length)
    handler.end_headers()
    if request.method != "HEAD":
        handler.wfile.write(body[: int(len(body) * share)])
        handler.wfile.flush()
