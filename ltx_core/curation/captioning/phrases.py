"""Stock phrases and refusals of language models, as data: what is taken off an answer, and what is none.

A pattern matches at the answer's beginning, in any case; what it matches is taken off and the next word gets
a capital. They are tried in turn until none matches. `captions.remove` adds plain phrases.
"""

from __future__ import annotations

_SUBJECT = r"(?:video|clip|footage|scene|image|picture|film|frame|sequence|animation|recording|audio|sound)s?"
_KIND = r"(?:(?:short|brief|given|provided|looping|static|animated|silent|opening|following)\s+)*"
_SHOWS = (
    r"(?:shows|depicts|features|presents|captures|displays|portrays|showcases|illustrates|contains|"
    r"begins with|opens with|starts with|consists of)"
)

BEGINNINGS = (
    r"(?:sure|certainly|of course|okay|ok|absolutely|alright|great)\s*[,.!:]\s*",
    r"here(?:'s|’s| is| are)\b[^.:\n]{0,80}:\s*",
    r"here(?:'s|’s| is) (?:a|the|your) (?:[\w-]+ ){0,3}(?:description|caption|paragraph)"
    r"[^.:\n]{0,60}[.\n]\s*",
    r"(?:#+\s*|\*\*)?(?:(?:video|audio|detailed|final|combined) )?(?:caption|description|answer)"
    r"(?:\*\*)?\s*:(?:\*\*)?\s*",
    rf"(?:in )?(?:the|this) {_KIND}{_SUBJECT}(?: (?:clip|sequence|footage))? {_SHOWS}\s+",
    rf"(?:in|throughout) (?:the|this) {_KIND}{_SUBJECT}(?: (?:clip|sequence))?,\s*",
    r"we (?:can )?see\s+|we are shown\s+|you can see\s+",
    r"based on the (?:frames|images|video)(?: provided)?,\s*",
    r"as an ai[^,.]{0,60},\s*i see\s+",
)
"""What is no part of a caption at its beginning."""

REFUSAL = (
    r"i['’]?m sorry|i am sorry|sorry\b|i apologi[sz]e|unfortunately,? i|as an ai\b|"
    r"i (?:can['’]?t|cannot|can not|am unable|am not able|won['’]t|do not|don['’]t) |"
    r"i['’]m (?:unable|not able) |there is no (?:video|image|audio) (?:attached|provided)|"
    r"(?:please|could you) (?:provide|upload|share) (?:the|a) (?:video|image|frames)|"
    r"no (?:video|image|frames) (?:was|were|is) (?:provided|attached)"
)
"""What an answer begins with that is no caption."""
