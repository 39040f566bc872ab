"""The hands: one thin Prefect task per stage; the work itself is done by `ltx_core` in child processes."""
