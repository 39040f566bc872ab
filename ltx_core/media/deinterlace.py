"""Whole frames of interlaced fields: FFmpeg's bwdif, one frame out for every frame in, times kept.

A frame is made of its own fields and those of its two neighbours, so both are decoded with it: the result
does not depend on where reading began.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any


def deinterlaced(frames: Iterable[Any], stream: Any) -> Iterator[Any]:
    """Each frame of `frames` (neighbours in the film, in order) as a progressive one with the same time."""
    graph, waiting = _graph(stream), []
    for frame in frames:
        waiting.append((frame.pts, frame.time_base))
        graph.push(frame)
        yield from _pulled(graph, waiting)
    if waiting:
        graph.push(None)
        yield from _pulled(graph, waiting)


def _graph(stream: Any) -> Any:
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(template=stream)
    # Every frame: broadcasts flag frames of one scene both ways, and a frame that is left alone flickers.
    filtered, sink = graph.add("bwdif", "mode=send_frame:parity=auto:deint=all"), graph.add("buffersink")
    source.link_to(filtered)
    filtered.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: Any, waiting: list[tuple[int | None, Any]]) -> Iterator[Any]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        # The filter counts in half ticks: the frame's own time is put back.
        frame.pts, frame.time_base = waiting.pop(0)
        yield frame
