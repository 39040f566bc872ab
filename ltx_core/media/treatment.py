"""How pictures that are not plain SDR frames are shown: high dynamic range and interlaced fields.

A treatment is the user's choice for all files; `applied` is what it does to one file, and is part of what
decides that file's pixels. For an ordinary file it is empty, whatever the choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ltx_core.media.probe import MediaInfo

Hdr = Literal["reject", "tonemap"]
Interlaced = Literal["deinterlace", "keep", "reject"]


@dataclass(frozen=True)
class Treatment:
    """What is done with pictures that 8-bit progressive frames cannot show as they are.

    Attributes:
        hdr: `reject` sets PQ and HLG films aside; `tonemap` brings them to SDR (`media.tonemap`).
        interlaced: `deinterlace` makes one whole frame of every two fields (`media.deinterlace`); `keep`
            leaves the comb; `reject` sets such films aside.
    """

    hdr: Hdr = "reject"
    interlaced: Interlaced = "deinterlace"

    def refusal(self, info: MediaInfo) -> str:
        """Why a file cannot be used under this treatment, or ""."""
        if info.hdr and self.hdr == "reject":
            return f"HDR video ({info.hdr}): convert it to SDR (BT.709) first"
        if info.interlaced and self.interlaced == "reject":
            return "interlaced: deinterlace it first"
        return ""

    def applied(self, info: MediaInfo) -> str:
        """What is done to this file's pictures, as `tonemap+deinterlace`; "" for an ordinary one."""
        steps: list[str] = [self.hdr] if info.hdr else []
        steps += [self.interlaced] if info.interlaced else []
        return "+".join(steps)


PLAIN = Treatment()
"""The defaults, which are also those of files beside a clip (references, masks)."""
