"""The tokens of a question about a video, a sound or both, as the models' chat templates write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ltx_core.models.captioner.kinds import Kind
from ltx_core.models.errors import ModelError


@dataclass(frozen=True)
class Marks:
    """Numbers of special tokens: before, for and after what they stand for."""

    vision: tuple[int, int, int]
    sound: tuple[int, int, int] | None
    end: int

    @classmethod
    def of(cls, kind: Kind, tokenizer: Any, config: Any, place: str) -> Marks:
        """Those of a tokenizer.

        Raises:
            ModelError: when one is missing, or another than the model's config says.
        """

        def number(name: str) -> int:
            found = tokenizer.convert_tokens_to_ids(name)
            if (
                found is None
                or found == tokenizer.unk_token_id
                or tokenizer.convert_ids_to_tokens(found) != name
            ):
                raise ModelError(
                    f"the tokenizer in {place} has no token {name}; get the model's folder whole, with the "
                    "tokenizer that belongs to it"
                )
            return int(found)

        vision = _three([number(name) for name in kind.vision])
        sound = None if kind.sound is None else _three([number(name) for name in kind.sound])
        stated = {config.video_token_id: vision[1], config.vision_start_token_id: vision[0]}
        if sound is not None:
            stated |= {config.audio_token_id: sound[1], config.audio_start_token_id: sound[0]}
        if any(said != found for said, found in stated.items()):
            raise ModelError(
                f"the tokenizer in {place} numbers its special tokens {sorted(stated.values())}, the model's "
                f"config {sorted(stated)}; they belong to different models"
            )
        return cls(vision, sound, number("<|im_end|>"))


def _three(numbers: list[int]) -> tuple[int, int, int]:
    first, middle, last = numbers
    return first, middle, last


def question(
    kind: Kind, tokenizer: Any, marks: Marks, prompt: str, video_tokens: int, sound_tokens: int
) -> list[int]:
    """Token numbers: the system's line, the video, the sound, the prompt, the beginning of the answer."""

    def text(words: str) -> list[int]:
        return list(tokenizer(words, add_special_tokens=False)["input_ids"])

    def marked(ids: tuple[int, int, int], count: int) -> list[int]:
        return [ids[0], *([ids[1]] * count), ids[2]] if count else []

    system = text(f"<|im_start|>system\n{kind.system}<|im_end|>\n") if kind.system else []
    sound = marked(marks.sound, sound_tokens) if marks.sound is not None else []
    return [
        *system,
        *text("<|im_start|>user\n"),
        *marked(marks.vision, video_tokens),
        *sound,
        *text(f"{plain(prompt)}<|im_end|>\n<|im_start|>assistant\n"),
    ]


def plain(prompt: str) -> str:
    """A prompt that holds no special token: a file's or a folder's name may look like one."""
    return prompt.replace("<|", "< |")
