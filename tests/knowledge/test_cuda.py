"""The tables of CUDA, drivers and GPUs, and the questions asked of them."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from repro_audit.knowledge import cuda


@pytest.mark.parametrize(
    ("version", "full", "least"),
    [
        ("12.4", "550.54.14", "525.60.13"),
        ("12.4.1", "550.54.15", "525.60.13"),
        ("12.4.127", "550.54.14", "525.60.13"),
        ("11.8", "520.61.05", "450.80.02"),
        ("10.2", "440.33", "440.33"),
        ("13.9", "590.44.01", "580.65.06"),
    ],
)
def test_a_cuda_version_has_a_driver_of_its_own_and_one_by_compatibility(version: str, full: str, least: str) -> None:
    need = cuda.driver_need(version)
    assert need is not None
    assert (need.full, need.least) == (full, least)


@pytest.mark.parametrize("version", ["", "latest", "14.0", "1.0"])
def test_a_version_that_no_table_knows_gives_nothing(version: str) -> None:
    assert cuda.driver_need(version) is None


def test_a_driver_supports_the_newest_cuda_that_it_came_with() -> None:
    assert cuda.cuda_of_driver("550.54.15") == "12.4"
    assert cuda.cuda_of_driver("470.256.02") == "11.4"
    assert cuda.cuda_of_driver("x") is None


def test_compilers_know_a_gpu_from_one_release_to_another() -> None:
    assert cuda.first_cuda_for("9.0") == "11.8"
    assert cuda.first_cuda_for("12.0") == "12.8"


def test_the_table_names_its_sources_and_their_date() -> None:
    table = json.loads(files("repro_audit").joinpath("knowledge/cuda.json").read_text("utf-8"))
    assert table["sources"]
    assert all(source["url"].startswith("https://") and source["date"] for source in table["sources"])


def test_the_table_of_drivers_is_in_order() -> None:
    rows = json.loads(files("repro_audit").joinpath("knowledge/cuda.json").read_text("utf-8"))["drivers"]
    assert [cuda.numbers(r["cuda"]) for r in rows] == sorted((cuda.numbers(r["cuda"]) for r in rows), reverse=True)
    assert [cuda.numbers(r["linux"]) for r in rows] == sorted((cuda.numbers(r["linux"]) for r in rows), reverse=True)
