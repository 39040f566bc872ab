"""ltx_core: the work behind ltx-flows, usable alone as a library. Nothing here imports Prefect.

Legend of tensor letters used in every docstring: B batch, N tokens of one modality, C channels,
D position axes (video 3: seconds, row, column; audio 1: seconds), F latent frames, H W latent rows
and columns, T audio latent steps, S text tokens.
"""

__version__ = "0.1.0"
