"""The front matter of a model card, in the words that the Hugging Face hub checks when a card is pushed.

Sources: the hub's documentation of model cards and of licences (hub-docs: `modelcard.md`,
`model-cards.md`, `repositories-licenses.md`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import yaml

from ltx_core.evaluation.card_facts import CardFacts

PIPELINE_TAGS = {"i2v": "image-to-video", "t2a": "text-to-audio", "v2a": "text-to-audio"}
PIPELINE_TAGS |= dict.fromkeys(("v2v_ic", "av2av_ic", "video_extend", "video_suffix"), "video-to-video")
PIPELINE_TAGS |= dict.fromkeys(("video_inpainting", "video_outpainting"), "video-to-video")
PIPELINE_TAGS |= dict.fromkeys(
    ("a2a_ic", "audio_extend", "audio_suffix", "audio_inpainting"), "audio-to-audio"
)
"""The nearest of the tags that model hubs know; text-to-video for all other modes."""
_KNOWN = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m openrail++ afl-3.0 artistic-2.0
bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5 cc-
by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-
by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-
permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2
agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl
ofl-1.1 osl-3.0 postgresql ncsa unlicense zlib pddl unknown other
"""
LICENSES = frozenset(_KNOWN.split())
"""Licences that the hub knows by these names; any other is `other`, with its own name beside."""
HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")


def front_matter(mode: str, metadata: Mapping[str, object], facts: CardFacts) -> str:
    """The YAML block at a card's beginning.

    Args:
        mode: of the training.
        metadata: what the weights say of themselves.
        facts: what else is known.
    """
    full = metadata.get("training_mode") == "full"
    tags = [*([] if full else ["lora"]), "ltx-video", mode]
    content: dict[str, object] = {"library_name": "diffusers"} if kind_of(metadata) == "lora" else {}
    content["tags"] = tags
    base = metadata.get("base_model") if facts.base_model is None else facts.base_model
    if base:
        content["base_model"] = str(base)
        content["base_model_relation"] = "finetune" if full else "adapter"
    if metadata.get("trigger"):
        content["instance_prompt"] = str(metadata["trigger"])
    content["pipeline_tag"] = PIPELINE_TAGS.get(mode, "text-to-video")
    content |= _license(facts.license)
    if facts.samples:
        content["widget"] = [{"text": one.prompt, "output": {"url": one.path}} for one in facts.samples]
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True)}---"


def kind_of(metadata: Mapping[str, object]) -> str:
    """`lokr` for weights that are one, which diffusers' pipelines of LTX do not load; else `lora`."""
    try:
        options = json.loads(str(metadata.get("adapter_options") or "{}"))
    except ValueError:
        return "lora"
    return "lokr" if isinstance(options, Mapping) and options.get("kind") == "lokr" else "lora"


def _license(stated: str) -> dict[str, object]:
    """What is stated in the hub's words: a name that it does not know is `other` with the name."""
    if not stated:
        return {"license": "unknown"}
    known = stated.lower()
    if known in LICENSES:
        return {"license": known}
    if stated.startswith(("https://", "http://")):
        return {"license": "other", "license_name": "see-link", "license_link": stated}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", known).strip("-") or "other"}
