"""Compiled blocks: the same numbers, one graph for all blocks of a kind, a word where no compiler is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from learning_models import learning, outputs, step
from quantised_models import streams
from torch._dynamo.testing import CompileCounterWithBackend

from ltx_core.models import compiling
from ltx_core.models.compiling import compile_blocks
from ltx_core.models.errors import ModelError
from ltx_core.models.swap import swap_blocks

SMALL = {"blocks": 3}


@pytest.fixture(autouse=True)
def fresh():
    """No graph of another test, and none for the next."""
    torch._dynamo.reset()
    compiling._compiled.cache_clear()
    yield
    torch._dynamo.reset()
    compiling._compiled.cache_clear()


def test_a_compiled_step_is_the_step_with_blocks_swapped_and_computed_again():
    model, graphs = learning("ltxv", **SMALL), CompileCounterWithBackend("aot_eager")
    plain = step("ltxv", model)
    assert compile_blocks(model, graphs)
    for count, checkpointing in ((0, 0), (0, 2), (2, 0)):
        swap_blocks(model, count, "cpu")
        found = step("ltxv", model, checkpointing=checkpointing)
        assert found.keys() == plain.keys()
        for name, value in found.items():
            torch.testing.assert_close(value, plain[name], rtol=0, atol=1e-5)
    assert graphs.frame_count == 2  # the first block's input has no gradient


def test_one_graph_serves_all_blocks_of_both_streams():
    model, graphs = learning("ltx2", **SMALL), CompileCounterWithBackend("eager")
    with torch.no_grad():
        plain = outputs("ltx2", model)
        compile_blocks(model, graphs)
        for found, expected in zip(outputs("ltx2", model), plain, strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert graphs.frame_count == 1


def test_nothing_is_compiled_unless_asked_for():
    def never(*_):
        raise AssertionError("compiled")

    model, other = learning("ltxv", **SMALL), learning("ltxv", **SMALL)
    compile_blocks(other, never)
    step("ltxv", model)


def test_where_no_compiler_is_the_blocks_run_uncompiled_and_a_warning_says_so(monkeypatch, caplog):
    model = learning("ltxv", **SMALL)
    plain = step("ltxv", model)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compile_blocks(model) is False
    (record,) = caplog.records
    assert "needs a C++ compiler (no-such-compiler), which is not installed" in record.getMessage()
    assert "acceleration.compile: false" in record.getMessage()
    assert all(torch.equal(value, plain[name]) for name, value in step("ltxv", model).items())


def test_a_gpu_needs_a_c_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert compiling.missing_compiler(torch.device("cuda")) == "a C compiler (clang or gcc)"
    (tmp_path / "gcc").write_text("#!/bin/sh\n")
    (tmp_path / "gcc").chmod(0o755)
    assert compiling.missing_compiler(torch.device("cuda")) is None
    assert compiling.missing_compiler(torch.device("cpu")) == "a C++ compiler (g++)"


def test_a_block_that_cannot_be_compiled_is_refused_with_the_way_out():
    def broken(graph, inputs):
        raise OSError("the compiler crashed")

    model = learning("ltxv", **SMALL)
    compile_blocks(model, broken)
    with pytest.raises(ModelError, match=r"cannot be compiled \(.*the compiler crashed.*compile: false"):
        step("ltxv", model)


def test_a_mode_reaches_the_compiler_and_any_number_of_buckets_costs_one_graph_more():
    told = []

    def backend(graph, inputs, **options):
        told.append(options)
        return graph.forward

    model = learning("ltxv", **SMALL)
    compile_blocks(model, backend, "reduce-overhead")
    whole = streams("ltxv")
    with torch.no_grad():
        for tokens in (4, 6, 8, 5, 7):
            outputs("ltxv", model, given=cut(whole, tokens))
    assert told and all(options == {"mode": "reduce-overhead"} for options in told)
    assert len(told) == 2, "one of the first shape, one of all others"


def cut(given, tokens):
    """Streams of fewer tokens."""
    video = given["video"]
    short = replace(
        video,
        tokens=video.tokens[:, :tokens],
        timesteps=video.timesteps[:, :tokens],
        positions=video.positions[:, :, :tokens],
    )
    return {**given, "video": short}
