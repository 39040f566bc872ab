"""Secrets and folders of the machine are taken out, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ltx_core.store.redact import Redactor, redactor

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAK\n-----END RSA PRIVATE KEY-----"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Redactor:
    monkeypatch.setenv("HF_TOKEN", "open sesame&more")
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("MY_CAPTIONS", "unusual-name-of-a-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID-plain")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false-friend")
    monkeypatch.setenv("PIN_KEY", "1")
    monkeypatch.setenv("HOME", "/srv/people/ada")
    return redactor(("MY_CAPTIONS",), {"/mnt/studio/work": "workspace", "/video": "…"})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a open sesame&more b", "a *** b"),
        ("?x=open%20sesame%26more", "?x=***"),
        ("text: open\n  sesame&more, a 'open sesame&amp;more'", "text: ***, a '***'"),
        ("<td>open sesame&amp;more</td>", "<td>***</td>"),
        ("0123456789abcdef/unusual-name-of-a-key/hunter2/AKID-plain", "***/***/***/***"),
        ("hf_abcdefghijklmnopqrst, hf\\_abcdefghijklmnopqrst, sk-proj-abcdefghijklmnop1", "***, ***, ***"),
        ("AKIAABCDEFGHIJKLMNOP ghp_abcdefghijklmnopqrstu1", "*** ***"),
        (f"key {PEM} end", "key *** end"),
        ("https://ada:pw@host/x and s3://ada@bucket/y", "https://***@host/x and s3://***@bucket/y"),
        ("https://h/f.mp4?X-Amz-Signature=abc&w=3&amp;token=q", "https://h/f.mp4?X-Amz-Signature=***&w=3&amp;token=***"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ***"),
        ('{"Authorization": "Basic YWRhOnB3"}', '{"Authorization": "Basic ***"}'),
        ("sent bearer abcdefghij0123456789.x", "sent bearer ***"),
        ("url: /api/f?x=1&auth_token=q9 and https://h/?author=me", "url: /api/f?x=1&auth_token=*** and https://h/?author=me"),
        ("hub_token: abcdef012345", "hub_token: ***"),
        ("github_pat_11ABCDEFG0abcdefghijkl_" + "x1" * 29, "***"),
        ("<a>/video/films</a></mnt/studio/work/x>", "<a>…/films</a><workspace/x>"),
        ("OPENAI_API_KEY=abcdefgh1 password: 'swordfish'", "OPENAI_API_KEY=*** password: '***'"),
        ("/srv/people/ada/films/a.mp4 of /srv/people/adam", "~/films/a.mp4 of /srv/people/adam"),
        ("/mnt/studio/work/runs/x", "workspace/runs/x"),
        ("in '/home/grace/clips/b.mp4', /Users/alan/c or /root/d", "in '~/clips/b.mp4', ~/c or ~/d"),
    ],
)  # fmt: skip
def test_secrets_and_folders_are_taken_out(secrets: Redactor, text: str, shown: str):
    assert secrets.text(text) == shown
    assert secrets.text(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "a token of love: she reads the secret passage, key 1 of 3, at home/office",
        "api_key_env: OPENAI_API_KEY\napi_key: null\nprompt_tokens: 1234567",
        "false-friend and/or http://host:8000/v1?width=3 <b>a@b.org</b>",
        "/opt/films/root/home/x.mp4",
        "<video controls></video><root></root>",
        "torch bearer mascotte, a basic high-contrast-photography of a bearer 2024",
        "x;author=me, y&sigma=0.5&key=low, is it?token=mascotte",
        "trigger_token: mascotte, 'special_token': \"foxword\"",
    ],
)
def test_other_text_stays(secrets: Redactor, text: str):
    assert secrets.text(text) == text


def test_data_keep_their_form_and_media_their_bytes(secrets: Redactor):
    noise = "data:image/png;base64," + "AKIAABCDEFGHIJKLMNOP" * 3
    found = secrets.data(
        {
            "hub": {"token": "short", "private": True, "api_key": None, "max_tokens": 12},
            "hunter2": [Path("/srv/people/ada/x"), ("open sesame&more", 1.5)],
            "page": f"<img src='{noise}'> hunter2",
        }
    )
    assert found == {
        "hub": {"token": "***", "private": True, "api_key": None, "max_tokens": 12},
        "***": ["~/x", ["***", 1.5]],
        "page": f"<img src='{noise}'> ***",
    }
    assert json.loads(json.dumps(found)) == found
    assert secrets.held_in(b"\x00hunter2\xff") == ["AWS_SECRET_ACCESS_KEY"]
