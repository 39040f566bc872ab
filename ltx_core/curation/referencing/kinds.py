"""The kinds of references, of video and of sound. Another kind is a file and a line here."""

from __future__ import annotations

from ltx_core.curation.kinds import Kinds
from ltx_core.curation.referencing.audio_file import AUDIO_GIVEN
from ltx_core.curation.referencing.audio_function import AUDIO_FUNCTION
from ltx_core.curation.referencing.audio_lowpass import LOWPASS
from ltx_core.curation.referencing.audio_mono import MONO
from ltx_core.curation.referencing.audio_noise import AUDIO_NOISE
from ltx_core.curation.referencing.audio_pitch import PITCH
from ltx_core.curation.referencing.blur import BLUR
from ltx_core.curation.referencing.canny import CANNY
from ltx_core.curation.referencing.depth import DEPTH
from ltx_core.curation.referencing.downscale import DOWNSCALE
from ltx_core.curation.referencing.file import GIVEN
from ltx_core.curation.referencing.function import FUNCTION
from ltx_core.curation.referencing.grayscale import GRAYSCALE
from ltx_core.curation.referencing.noise import NOISE
from ltx_core.curation.referencing.pose import POSE
from ltx_core.curation.referencing.sketch import SKETCH

REFERENCES = Kinds((CANNY, DEPTH, POSE, SKETCH, BLUR, DOWNSCALE, GRAYSCALE, NOISE, GIVEN, FUNCTION))
AUDIO_REFERENCES = Kinds((LOWPASS, AUDIO_NOISE, MONO, PITCH, AUDIO_GIVEN, AUDIO_FUNCTION))
