"""Which modalities a sample generates, has given or lacks: by mode, `validation` and its own conditions."""

from __future__ import annotations

from collections.abc import Mapping

from ltx_core.conditions import ROLES
from ltx_core.conditions.base import Modality
from ltx_core.config.samples import SampleSection
from ltx_core.config.sections import ValidationSection
from ltx_core.errors import ConfigError
from ltx_core.modes import AudioStream, Role, Strategy, VideoStream

MODALITIES: tuple[Modality, ...] = ("video", "audio")
GIVEN_BY: Mapping[Modality, str] = {c.gives: c.model_fields["type"].default for c in ROLES if c.gives}
"""The condition of a sample that gives a modality whole."""
Wanted = Mapping[Modality, bool | None]
"""`validation.generate_video` and `.generate_audio`: None follows the mode."""


def strategy_of(metadata: Mapping[str, str]) -> Strategy | None:
    """The mode that a LoRA was trained in, from its metadata; None where it does not state it."""
    try:
        return Strategy.model_validate_json(metadata.get("training_strategy", ""))
    except ValueError:
        return None


def wanted_modalities(validation: ValidationSection) -> Wanted:
    """What the config says of the modalities of samples."""
    return {"video": validation.generate_video, "audio": validation.generate_audio}


def sample_roles(strategy: Strategy, wanted: Wanted, section: SampleSection) -> dict[Modality, Role]:
    """The role of each modality in a stated sample.

    Raises:
        ConfigError: when a given modality has no file, a condition's modality is absent, or nothing is left
            to generate.
    """
    types = {condition.type for condition in section.conditions}
    given = [modality for modality in MODALITIES if GIVEN_BY[modality] in types]
    roles: dict[Modality, Role] = {}
    for modality in MODALITIES:
        if modality in given:
            roles[modality] = Role.GIVEN
        elif given and wanted[modality] is None:
            # A video that is given whole asks for its sound, whatever the LoRA was trained for.
            roles[modality] = Role.GENERATE
        else:
            roles[modality] = _role(strategy, wanted[modality], modality, section)
    for condition in section.conditions:
        if roles[condition.modality] is Role.ABSENT:
            raise ConfigError(
                f"sample {section.prompt!r} has a {condition.type} condition on {condition.modality}, which "
                f"it does not have (mode {strategy.mode}); remove the condition, or set "
                f"validation.generate_{condition.modality}=true"
            )
    _refuse_nothing(roles, f"sample {section.prompt!r}")
    return roles


def clip_roles(strategy: Strategy, wanted: Wanted) -> dict[Modality, Role]:
    """The role of each modality where a held-out clip is sampled: a given one has the clip's own content.

    Raises:
        ConfigError: when nothing is left to generate.
    """
    roles = {}
    for modality in MODALITIES:
        trained = _trained(strategy, modality)
        changed = {True: Role.GENERATE, False: Role.ABSENT, None: trained}[wanted[modality]]
        roles[modality] = trained if trained is Role.GIVEN else changed
    _refuse_nothing(roles, "sampling held-out clips")
    return roles


def with_roles(strategy: Strategy, roles: Mapping[Modality, Role]) -> Strategy:
    """The strategy with other roles; conditions stay where their modality does."""

    made = {m: {"is_generated": roles[m] is Role.GENERATE} for m in MODALITIES if roles[m] is not Role.ABSENT}
    video, audio = strategy.video or VideoStream(), strategy.audio or AudioStream()
    return Strategy(
        video=video.model_copy(update=made["video"]) if "video" in made else None,
        audio=audio.model_copy(update=made["audio"]) if "audio" in made else None,
    )


def _role(strategy: Strategy, wanted: bool | None, modality: Modality, section: SampleSection) -> Role:
    trained = _trained(strategy, modality)
    if wanted is None and trained is Role.GIVEN:
        needed = GIVEN_BY[modality]
        raise ConfigError(
            f"sample {section.prompt!r} has no {modality}: the mode {strategy.mode} makes samples for "
            f"a given {modality}; add the condition {{type: {needed}, {modality}: FILE}}, or set "
            f"validation.generate_{modality}=true to generate it, =false to do without"
        )
    if wanted is None:
        return trained
    return Role.GENERATE if wanted else Role.ABSENT


def _trained(strategy: Strategy, modality: Modality) -> Role:
    stream = strategy.streams.get(modality)
    return Role.ABSENT if stream is None else stream.role


def _refuse_nothing(roles: Mapping[Modality, Role], what: str) -> None:
    if Role.GENERATE not in roles.values():
        found = ", ".join(f"{modality} is {role}" for modality, role in roles.items())
        raise ConfigError(
            f"{what}: nothing is left to generate ({found}); set validation.generate_video=true or "
            "validation.generate_audio=true, or leave both out"
        )
