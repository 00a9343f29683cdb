"""A short form of `python -m bench.fuzz`, and that it finds what it is to find."""

import random
import re
from functools import partial
from pathlib import Path

import pytest
from harmful import WHOLE, read, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.damage import MORE_BYTES, damaged
from bench.parsers import parsers
from bench.trials import Parser, fill, fuzz, make_input, try_input

INPUTS = 25  # of a parser
PARSERS = {parser.name: parser for parser in parsers()}


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_files_are_read_or_refused_in_plain_lines(name: str, tmp_path: Path) -> None:
    parser = PARSERS[name]
    path, seeds = fill(parser, tmp_path), parser.seeds()
    assert any(try_input(parser, path, data).refusal is None for data in seeds)
    inputs = [make_input(parser, seeds, 1, number) for number in range(INPUTS)]
    results = [try_input(parser, path, data) for data in inputs]
    assert [result.fault for result in results if result.fault] == []
    assert any(result.refusal for result in results)


@given(st.integers(), st.lists(st.binary(max_size=200), min_size=1))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_bytes_can_be_damaged_and_for_a_seed_in_the_same_way(
    seed: int, seeds: list[bytes]
) -> None:
    first, second = (damaged(random.Random(seed), seeds) for _ in range(2))
    assert first == second
    assert len(first) <= MORE_BYTES + max(map(len, seeds))


def test_values_of_a_document_are_changed_one_by_one() -> None:
    seeds = [b'{"a": [1, 2], "b": {"c": "text"}}']
    made = {damaged(random.Random(seed), seeds) for seed in range(300)}
    assert b'{"a": [1, 2], "b": {}}' in made
    assert len(made) > 250


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        ("raise", r"harmful\.py:\d+: KeyError: .*a name"),
        ("fill", r"harmful\.py:\d+: MemoryError"),
        ("empty", r"harmful\.py:\d+: not in plain lines: .*first line"),
        ("abort", "the process ended: -6"),
        ("spin", "the process ended: -27"),
        ("sleep", "the process ended: -14"),
    ],
)
def test_each_kind_of_fault_is_found_and_the_next_input_is_tried(harm: str, fault: str) -> None:
    parser = Parser("file", partial(read, harm), whole)
    first = min(set(DAMAGED) & {number - 1 for number in DAMAGED})
    outcome = fuzz(parser, seed=0, first=first, count=2, seconds=0.3)
    ((what, numbers),) = outcome.faults.items()
    assert re.match(fault, what)
    assert numbers == [first, first + 1]
    assert outcome.row("file")[:5] == ["file", "2", "0", "0", "2"]


# Inputs that damage has really changed.
DAMAGED = [n for n in range(50) if make_input(Parser("file", print, whole), whole(), 0, n) != WHOLE]


@pytest.mark.parametrize(("harm", "refused"), [("refuse", len(DAMAGED)), ("nothing", 0)])
def test_results_and_refusals_are_no_faults(harm: str, refused: int) -> None:
    outcome = fuzz(Parser("file", partial(read, harm), whole), seed=0, first=0, count=50)
    assert outcome.row("file")[:5] == ["file", "50", str(50 - refused), str(refused), "0"]
