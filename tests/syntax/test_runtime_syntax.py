"""Devcontainers, workflows, Apptainer definitions and pre-commit configurations."""

from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source
from repro_audit.syntax import apptainer, devcontainer, precommit, workflow
from repro_audit.syntax.tree import Scalar

DEVCONTAINER = """\
// For a GPU
{
  "name": "dev",
  "build": {"dockerfile": "../Dockerfile", "context": "..", "target": "dev", "args": {"A": "1"}},
  "runArgs": ["--gpus", "all"],
  "hostRequirements": {"gpu": "optional"},
  "mounts": ["source=cache,target=/root/.cache,type=volume"],
  "features": {"ghcr.io/devcontainers/features/git:1": {}},
  "postCreateCommand": "pip install -r requirements.txt",
  "postStartCommand": {"a": ["npm", "start"], "b": "sleep 1"},
  "remoteUser": "vscode",
}
"""

WORKFLOW = """\
on: push
env: {A: 1}
defaults: {run: {shell: bash}}
jobs:
  test:
    runs-on: [self-hosted, gpu]
    container: {image: "python:3.12", options: --gpus all}
    services:
      db: {image: postgres, ports: ["5432:5432"]}
    steps:
      - uses: actions/checkout@v4
        with: {fetch-depth: 0}
      - name: install
        working-directory: src
        run: |
          set -e
          pip install numpy
  call:
    uses: org/repo/.github/workflows/x.yml@main
"""

DEFINITION = """\
Bootstrap: docker
From: nvidia/cuda:11.8.0-base-ubuntu22.04  # base
Stage: build

%post
    apt-get update
    pip install numpy

%runscript
    exec python "$@"

Bootstrap: localimage
From: base.sif
%environment
    export A=1
"""

PRECOMMIT = """\
repos:
  - repo: https://github.com/psf/black
    rev: 23.1.0
    hooks:
      - id: black
        additional_dependencies: [tomli]
  - repo: local
    hooks: [{id: own, language: system}]
"""


def test_a_devcontainer_gives_its_build_features_and_hooks() -> None:
    file = devcontainer.parse(Source("devcontainer.json", DEVCONTAINER))
    assert not file.errors
    assert file.dockerfile is not None
    assert file.dockerfile.text == "../Dockerfile"
    assert file.context is not None
    assert file.context.text == ".."
    assert [a.text for a in file.run_args] == ["--gpus", "all"]
    assert isinstance(file.gpu, Scalar)
    assert [f.key.text for f in file.features] == ["ghcr.io/devcontainers/features/git:1"]
    assert [(c.hook, c.words is not None) for c in file.lifecycle] == [
        ("postCreateCommand", False),
        ("postStartCommand", True),
        ("postStartCommand", False),
    ]
    assert file.source.slice(file.lifecycle[0].text.whole) == "pip install -r requirements.txt"


def test_a_workflow_gives_its_jobs_steps_and_containers() -> None:
    file = workflow.parse(Source("ci.yml", WORKFLOW))
    test, call = file.jobs
    assert [r.text for r in test.runs_on] == ["self-hosted", "gpu"]
    assert test.container is not None
    assert test.container.image is not None
    assert test.container.image.text == "python:3.12"
    assert [s.name for s in test.services] == ["db"]
    assert [s.uses.text if s.uses else None for s in test.steps] == ["actions/checkout@v4", None]
    step = test.steps[1]
    assert (step.shell, step.workdir) == ("bash", "src")
    assert step.run is not None
    at = step.run.text.index("numpy")
    assert file.source.slice(step.run.span(at, at + 5)) == "numpy"
    assert call.uses is not None


def test_the_steps_of_a_composite_action_count_as_a_job() -> None:
    text = "name: x\nruns:\n  using: composite\n  steps:\n    - run: make\n      shell: bash\n"
    file = workflow.parse(Source("action.yml", text))
    assert [j.name for j in file.jobs] == ["runs"]
    assert file.jobs[0].steps[0].run is not None


def test_a_definition_gives_headers_and_sections_of_each_stage() -> None:
    file = apptainer.parse(Source("x.def", DEFINITION))
    assert not file.errors
    first, second = file.stages
    origin = first.header("from")
    assert origin is not None
    assert file.source.slice(origin.value_span) == "nvidia/cuda:11.8.0-base-ubuntu22.04"
    assert [s.name for s in first.sections] == ["post", "runscript"]
    assert first.sections[0].body.text == "    apt-get update\n    pip install numpy\n\n"
    assert [s.name for s in second.sections] == ["environment"]


def test_a_line_that_is_no_header_is_an_error() -> None:
    file = apptainer.parse(Source("x.def", "what is this\nBootstrap: docker\n"))
    assert [file.source.slice(e.span) for e in file.errors] == ["what is this"]


def test_a_pre_commit_configuration_gives_repositories_and_revisions() -> None:
    file = precommit.parse(Source(".pre-commit-config.yaml", PRECOMMIT))
    first, second = file.repositories
    assert first.rev is not None
    assert first.rev.text == "23.1.0"
    assert [d.text for d in first.hooks[0].dependencies] == ["tomli"]
    assert second.local


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([DEVCONTAINER, WORKFLOW, DEFINITION, PRECOMMIT]), st.data())
def test_damaged_files_are_still_read(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 30))
    put = data.draw(st.text(alphabet='{}[]",:%- \n#/\x00é&*', max_size=8))
    source = Source("x", text[:at] + put + text[at + cut :])
    for parse in (devcontainer.parse, workflow.parse, apptainer.parse, precommit.parse):
        for error in parse(source).errors:
            assert 0 <= error.span.start <= error.span.end <= len(source.text)
