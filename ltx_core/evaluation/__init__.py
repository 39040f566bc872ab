"""Held-out loss, metrics on samples, the report and the published folder."""
