"""Errors that a user can mend. The message is complete: what was found, the rule, the fix."""

from __future__ import annotations


class LtxError(Exception):
    """A user's mistake or a state of the machine that the user can mend; shown without a stack trace."""


class ConfigError(LtxError):
    """The configuration is wrong: an unknown key, a wrong type, a value out of range, a missing path."""


class StoreError(LtxError):
    """The store cannot be read or written."""


class LegacyConfigWarning(DeprecationWarning):
    """A config is written in an older form, which still works."""
