"""One file per condition, and the one hand-written list of them.

The config's schema, the table in the docs and the property tests derive from `CONDITIONS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from ltx_core.conditions.base import Condition
from ltx_core.conditions.first_frame import FirstFrame
from ltx_core.conditions.mask import Mask
from ltx_core.conditions.prefix import Prefix
from ltx_core.conditions.reference import Reference
from ltx_core.conditions.spatial_crop import SpatialCrop
from ltx_core.conditions.suffix import Suffix

CONDITIONS: tuple[type[Condition], ...] = (FirstFrame, Prefix, Suffix, SpatialCrop, Mask, Reference)
"""Every condition that a config can name."""

if TYPE_CHECKING:
    AnyCondition = Condition
else:
    AnyCondition = Annotated[Union[CONDITIONS], Field(discriminator="type")]  # noqa: UP007 - made of the list
    """What stands in a `conditions:` list of the config."""

__all__ = [
    "CONDITIONS",
    "AnyCondition",
    "Condition",
    "FirstFrame",
    "Mask",
    "Prefix",
    "Reference",
    "SpatialCrop",
    "Suffix",
]
