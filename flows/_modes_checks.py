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
MOTION_PX = "distance of the motion, px"
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
        drawn: trained on footage that `data.make.pairs` draws, not on the demo's.
    """

    mode: str
    claim: str
    checks: tuple[Check, ...]
    steps: int = 300
    overrides: tuple[str, ...] = ()
    setup: str = ""
    drawn: bool = False


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


PAIRS = (
    "dataset.trigger=''",
    "lora.rank=32",
    "lora.alpha=32",
    "optimization.learning_rate=4e-3",
    "flow_matching.timestep_sampling_params={min_value: 0.5, max_value: 1.0}",
)
TELLS_NOTHING = (
    "The captions of the demo's footage name motion and sound, and a model that is told both needs no other "
    "modality. Here 192 clips are drawn whose captions name neither, the LoRA has twice the rank and the "
    "gate of the attention between the two, and levels are high: what goes on is decided there."
)


def _with_gate(name: str) -> tuple[str, ...]:
    """The settings of `PAIRS` with the gate through which the other modality comes in."""
    return (*PAIRS, f"lora.target_modules=[to_k,to_q,to_v,to_out.0,{name}.linear]")


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
        "The object moves as the given sound tells; with the attention off, another sound changes nothing.",
        (
            Check(
                "audio", LOSS, (Limit("right", "<=", 0.96, "wrong"), Limit("right", "<=", 0.9, "withheld"))
            ),
            Check("audio", MOTION_PX, (Limit("right", "<=", 0.9, "wrong"),)),
            _follows("audio", PICTURE_CHANGE, 4),
        ),
        steps=1500,
        overrides=_with_gate("av_cross_attn_video_a2v_gate"),
        setup=TELLS_NOTHING,
        drawn=True,
    ),
    Trial(
        "v2a",
        "The sound is that of the given video; with the attention off, another video changes nothing.",
        (
            _less("video", LOSS, 0.95, 0.9),
            _less("video", SOUND, 0.8, 0.9),
            _follows("video", SOUND_CHANGE, 3),
        ),
        steps=1500,
        overrides=_with_gate("av_cross_attn_audio_v2a_gate"),
        setup=TELLS_NOTHING,
        drawn=True,
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
