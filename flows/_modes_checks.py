"""What `ltx demo-modes` trains and which limits each condition must keep.

The limits come from runs of these very settings, with a margin; they are about the tiny model.
"""

from __future__ import annotations

from dataclasses import dataclass

from ltx_core.evaluation.checks import Check, Limit
from ltx_core.evaluation.rows import LOSS

NEXT_PX = "distance of the object in the next frames, px"
NEXT_DB = "likeness of the next frames, PSNR dB"
NEXT_SOUND = "distance of the sound next to it, dB"
HELD = "largest change of a held latent"
OBJECT_PX = "distance of the object, px"
EDGES = "agreement of the edges, F1"
KEPT_DB = "likeness of the kept part, PSNR dB"
REST_DB = "likeness of the generated part, PSNR dB"
KEPT_SOUND = "distance of the kept sound, dB"
SEED = "change of the generated part with another seed, levels of 255"
SOUND = "distance of the sound, dB"
PICTURE_CHANGE = "change by another clip's content, levels of 255"
SOUND_CHANGE = "change by another clip's content, dB"


@dataclass(frozen=True)
class Trial:
    """One mode of the demo.

    Attributes:
        mode: its config is `configs/<mode>_lora.yaml`.
        claim: what is shown, in one sentence.
        checks: on the effects of the run's evaluation.
        steps: of the training.
        overrides: further settings.
        setup: what they mean, for the report.
    """

    mode: str
    claim: str
    checks: tuple[Check, ...]
    steps: int = 300
    overrides: tuple[str, ...] = ()
    setup: str = ""


def _within(pixels: float) -> tuple[Limit, ...]:
    """Near with the own content, far from it with another's and without."""
    far = 10.0
    return (
        Limit("right", "<=", pixels),
        Limit("wrong", ">=", far),
        Limit("withheld", ">=", far),
    )


def _less(condition: str, measure: str, wrong: float, withheld: float) -> Check:
    """Own content at most these shares of the two others."""
    return Check(
        condition, measure, (Limit("right", "<=", wrong, "wrong"), Limit("right", "<=", withheld, "withheld"))
    )


def _more(condition: str, measure: str, wrong: float, withheld: float) -> Check:
    """Own content at least these multiples of the two others."""
    return Check(
        condition, measure, (Limit("right", ">=", wrong, "wrong"), Limit("right", ">=", withheld, "withheld"))
    )


def _unchanged(condition: str) -> Check:
    """Held latents come back as they were, and only when they are held."""
    return Check(condition, HELD, (Limit("right", "<=", 0.0), Limit("withheld", ">=", 1.0)))


def _follows(condition: str, measure: str, least: float) -> Check:
    """Another clip's content changes the sample, and nothing when it is withheld."""
    return Check(condition, measure, (Limit("right", ">=", least), Limit("withheld", "<=", 0.0)))


WORDLESS = (
    "dataset.captions.order=[folder]",
    "validation.video_cfg_scale=1",
    "validation.audio_cfg_scale=1",
)
TELLS_NOTHING = (
    "Captions of the demo name motion and sound, and a model that is told both needs no other modality: here "
    "every caption is the same. Whether sound and picture fit is no check: 17 clips are too few to learn it."
)

TRIALS: tuple[Trial, ...] = (
    Trial(
        "i2v",
        "The frames after a given first frame go on from it.",
        (
            _less("video.first_frame", LOSS, 0.92, 0.97),
            _more("video.first_frame", NEXT_DB, 1.15, 1.1),
            _less("video.first_frame", NEXT_PX, 0.75, 0.75),
            _unchanged("video.first_frame"),
        ),
        steps=200,
    ),
    Trial(
        "video_extend",
        "A given beginning is continued.",
        (
            _less("video.prefix", LOSS, 0.85, 0.92),
            _more("video.prefix", NEXT_DB, 1.25, 1.2),
            _less("video.prefix", NEXT_PX, 0.5, 0.5),
            _unchanged("video.prefix"),
        ),
        steps=200,
    ),
    Trial(
        "video_inpainting",
        "What the mask keeps equals the source; the rest is made anew, and another seed makes it otherwise.",
        (
            _less("video.mask", LOSS, 0.85, 0.97),
            Check("video.mask", KEPT_DB, (Limit("right", ">=", 30), Limit("right", ">=", 1.4, "withheld"))),
            Check("video.mask", REST_DB, (Limit("right", "<=", 30),)),
            Check("video.mask", SEED, (Limit("right", ">=", 3),)),
            _unchanged("video.mask"),
        ),
        steps=200,
    ),
    Trial(
        "video_outpainting",
        "The given centre equals the source; what surrounds it is made anew.",
        (
            _less("video.spatial_crop", LOSS, 0.8, 0.96),
            Check(
                "video.spatial_crop",
                KEPT_DB,
                (Limit("right", ">=", 22), Limit("right", ">=", 1.6, "withheld")),
            ),
            Check("video.spatial_crop", SEED, (Limit("right", ">=", 2),)),
            _unchanged("video.spatial_crop"),
        ),
        steps=200,
    ),
    Trial(
        "v2v_ic",
        "The object is where the reference's edges have it, another clip's included.",
        (
            _less("video.reference", LOSS, 0.75, 0.95),
            Check("video.reference", OBJECT_PX, (*_within(6), Limit("followed", "<=", 6))),
            Check("video.reference", EDGES, (Limit("right", ">=", 0.3), Limit("withheld", "<=", 0.25))),
        ),
        steps=400,
    ),
    Trial(
        "a2v",
        "The given sound changes the video; with the attention to it off, another sound changes nothing.",
        (_follows("audio", PICTURE_CHANGE, 10),),
        overrides=WORDLESS,
        setup=TELLS_NOTHING,
    ),
    Trial(
        "v2a",
        "The given video changes the sound; with the attention to it off, another video changes nothing.",
        (_follows("video", SOUND_CHANGE, 6),),
        overrides=WORDLESS,
        setup=TELLS_NOTHING,
    ),
    Trial(
        "audio_extend",
        "A given beginning of a sound is continued.",
        (
            _less("audio.prefix", LOSS, 0.5, 0.9),
            _less("audio.prefix", NEXT_SOUND, 0.4, 0.6),
            _unchanged("audio.prefix"),
        ),
    ),
    Trial(
        "audio_inpainting",
        "What the mask keeps of a sound equals the source.",
        (
            _less("audio.mask", LOSS, 0.5, 0.92),
            _less("audio.mask", KEPT_SOUND, 0.4, 0.8),
            _unchanged("audio.mask"),
        ),
    ),
    Trial(
        "a2a_ic",
        "A muffled reference is made whole again.",
        (
            _less("audio.reference", LOSS, 0.4, 0.8),
            _less("audio.reference", SOUND, 0.7, 0.7),
        ),
    ),
)
"""The modes that are checked, in order."""
