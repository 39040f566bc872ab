"""Which modalities of the model a run needs; one that it does not need is never loaded. No torch here."""

from __future__ import annotations

from ltx_core.conditions.base import Modality
from ltx_core.config.roles import MODALITIES, sample_roles, wanted_modalities
from ltx_core.config.root import Config
from ltx_core.modes import Role


def needed_modalities(config: Config) -> tuple[Modality, ...]:
    """Those that training or a sample has, generated or given; video first.

    Raises:
        ConfigError: when a sample's conditions do not fit the mode.
    """
    strategy, wanted = config.training_strategy, wanted_modalities(config.validation)
    needed = {*strategy.streams, *(modality for modality in MODALITIES if wanted[modality])}
    for section in config.validation.samples:
        roles = sample_roles(strategy, wanted, section)
        needed |= {modality for modality, role in roles.items() if role is not Role.ABSENT}
    return tuple(modality for modality in MODALITIES if modality in needed)
