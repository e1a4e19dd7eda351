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


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("NVIDIA H100 80GB HBM3", "9.0"),
        ("NVIDIA GeForce RTX 3080 Ti Laptop GPU", "8.6"),
        ("NVIDIA RTX 6000 Ada Generation", "8.9"),
        ("Quadro RTX 6000", "7.5"),
        ("Tesla V100-SXM2-16GB", "7.0"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "12.0"),
        ("NVIDIA RTX A2000", "8.6"),
        ("a100", "8.0"),
        ("unheard of", None),
    ],
)
def test_a_gpu_is_known_by_the_names_that_people_and_drivers_give_it(name: str, capability: str | None) -> None:
    assert cuda.capability_of(name) == capability


def test_compilers_know_a_gpu_from_one_release_to_another() -> None:
    assert cuda.first_cuda_for("9.0") == "11.8"
    assert cuda.first_cuda_for("12.0") == "12.8"
    assert "7.0" in cuda.capabilities_of("12.9") and "7.0" not in cuda.capabilities_of("13.0")
    assert cuda.capabilities_of("12.6") == cuda.capabilities_of("12.0")


@pytest.mark.parametrize("name", ["cuda.json", "gpus.json"])
def test_every_table_names_its_sources_and_their_date(name: str) -> None:
    table = json.loads(files("repro_audit").joinpath(f"knowledge/{name}").read_text("utf-8"))
    assert table["sources"]
    assert all(source["url"].startswith("https://") and source["date"] for source in table["sources"])


def test_the_table_of_drivers_is_in_order() -> None:
    rows = json.loads(files("repro_audit").joinpath("knowledge/cuda.json").read_text("utf-8"))["drivers"]
    assert [cuda.numbers(r["cuda"]) for r in rows] == sorted((cuda.numbers(r["cuda"]) for r in rows), reverse=True)
    assert [cuda.numbers(r["linux"]) for r in rows] == sorted((cuda.numbers(r["linux"]) for r in rows), reverse=True)
