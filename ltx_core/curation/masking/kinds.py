"""The kinds of masks, of video and of sound. Another kind is a file and a line here."""

from __future__ import annotations

from ltx_core.curation.kinds import Kinds
from ltx_core.curation.masking.audio_energy import ENERGY
from ltx_core.curation.masking.audio_file import AUDIO_GIVEN
from ltx_core.curation.masking.audio_function import AUDIO_FUNCTION
from ltx_core.curation.masking.audio_spans import AUDIO_SPANS
from ltx_core.curation.masking.boxes import BOXES
from ltx_core.curation.masking.files import GIVEN
from ltx_core.curation.masking.function import FUNCTION
from ltx_core.curation.masking.moving import MOVING
from ltx_core.curation.masking.sam2 import SAM2
from ltx_core.curation.masking.spans import SPANS
from ltx_core.curation.masking.strokes import STROKES

MASKS = Kinds((BOXES, STROKES, SPANS, MOVING, SAM2, GIVEN, FUNCTION))
AUDIO_MASKS = Kinds((AUDIO_SPANS, ENERGY, AUDIO_GIVEN, AUDIO_FUNCTION))
DRAWN = frozenset(("boxes", "strokes"))
"""Kinds that are drawn again until a cell is generated wholly."""
