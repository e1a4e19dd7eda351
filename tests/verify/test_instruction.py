"""History entries of every builder lead to the instruction that made them."""

import pytest
from image_archives import docker_archive, layer

from repro_audit.container.archive import read_image
from repro_audit.verify.instruction import InstructionPlace, origins, spoken

DOCKERFILE = [
    InstructionPlace(1, "FROM", "FROM debian:12", "Dockerfile"),
    InstructionPlace(2, "ENV", "ENV A=1", "Dockerfile"),
    InstructionPlace(3, "RUN", "RUN apt-get update && \\\n    # comment\n    apt-get install -y curl", "Dockerfile"),
    InstructionPlace(6, "WORKDIR", "WORKDIR $HOME/app", "Dockerfile"),
    InstructionPlace(7, "COPY", "COPY --chown=1:1 . /app", "Dockerfile"),
    InstructionPlace(8, "RUN", "RUN make -C /app", "Dockerfile"),
    InstructionPlace(9, "CMD", 'CMD ["/app/run"]', "Dockerfile"),
]

BUILDKIT = [
    ("# debian.sh --arch 'amd64' out/", False),
    ("ENV A=1", True),
    ("RUN /bin/sh -c apt-get update &&     apt-get install -y curl # buildkit", False),
    ("WORKDIR /root/app", False),
    ("COPY --chown=1:1 . /app # buildkit", False),
    ("RUN /bin/sh -c make -C /app # buildkit", False),
    ('CMD ["/app/run"]', True),
]
ARGS = [(e.replace("RUN /bin/sh", "RUN |2 B=x y C=1 /bin/sh"), empty) for e, empty in BUILDKIT]
LEGACY = [
    ("/bin/sh -c #(nop) ADD file:0123 in / ", False),
    ("/bin/sh -c #(nop)  ENV A=1", True),
    ("/bin/sh -c apt-get update &&     apt-get install -y curl", False),
    ("/bin/sh -c #(nop) WORKDIR /root/app", False),
    ("/bin/sh -c #(nop) COPY --chown=1:1dir:4567abc in /app ", False),
    ("|1 X=1 /bin/sh -c make -C /app", False),
    ('/bin/sh -c #(nop)  CMD ["/app/run"]', True),
]
KANIKO = [
    ("base", False),
    ("ENV A=1", True),
    ("RUN apt-get update &&     apt-get install -y curl", False),
    ("WORKDIR $HOME/app", False),
    ("COPY --chown=1:1 . /app", False),
    ("RUN make -C /app", False),
    ('CMD ["/app/run"]', True),
]


def image(tmp_path, history):
    count = sum(not empty for _, empty in history)
    tars = [layer([(f"f{n}", b"")]) for n in range(count)]
    entries = [{"created_by": text, **({"empty_layer": True} if empty else {})} for text, empty in history]
    return read_image(docker_archive(tmp_path / "i.tar", tars, entries))


@pytest.mark.parametrize(
    "history", [BUILDKIT, ARGS, LEGACY, KANIKO], ids=["buildkit", "buildkit-args", "legacy", "kaniko"]
)
def test_each_layer_leads_to_the_line_that_made_it(tmp_path, history):
    found = origins(image(tmp_path, history), DOCKERFILE)
    lines = [places[0].line for places in found.layers]
    assert lines == [1, 3, 6, 7, 8]
    assert found.history[1].line == 2
    assert found.history[6].line == 9


def test_a_base_image_with_the_same_command_does_not_take_the_files_own(tmp_path):
    history = [("/bin/sh -c make -C /app", False), *BUILDKIT[1:]]
    assert [p[0].line for p in origins(image(tmp_path, history), DOCKERFILE).layers] == [1, 3, 6, 7, 8]


def test_a_layer_squashed_out_of_several_instructions_has_them_all(tmp_path):
    history = [("base", False), ("/bin/sh -c make -C /app", False)]
    found = origins(image(tmp_path, history), DOCKERFILE)
    assert [p.line for p in found.layers[1]] == [8, 7, 6, 3]
    assert found.place(1, "/app/data.txt").line == 7
    assert found.place(1, "/var/log/apt/history.log").line == 8


def test_without_instructions_nothing_is_claimed(tmp_path):
    assert origins(image(tmp_path, BUILDKIT), []).place(1, "/f1") is None


@pytest.mark.parametrize(
    ("created_by", "expected"),
    [
        ("RUN /bin/bash -o pipefail -c a | b # buildkit", ("RUN", "a | b")),
        ("/bin/sh -c #(nop) EXPOSE 80", ("EXPOSE", "80")),
        ("", ("RUN", "")),
        ("COPY a b # buildkit", ("COPY", "a b")),
    ],
)
def test_forms_of_created_by(created_by, expected):
    assert spoken(created_by) == expected
