import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.source import Source, Span
from repro_audit.syntax import compose, compose_merge, compose_schema
from repro_audit.syntax.compose_value import duration, port, size, volume, words

FILE = """\
version: "3.8"
x-base: &base
  restart: always
services:
  train:
    <<: *base
    image: "org/train:${TAG:-1.2.3}"
    build:
      context: ./docker
      dockerfile: Dockerfile.gpu
      target: final
      args: [CUDA=11.8, TOKEN]
    command: python train.py --name "a b"
    entrypoint: ["bash", "-c", "exec \\"$$@\\""]
    environment:
      CUDA_VISIBLE_DEVICES: 1
      HOME:
    ports: ["127.0.0.1:8080:80", {target: 90, published: 9090}]
    volumes:
      - ./data:/data:ro
      - cache:/root/.cache
      - {type: bind, source: /a, target: /b, read_only: true}
    deploy:
      resources:
        limits: {cpus: "2", memory: 4g}
        reservations:
          devices:
            - {driver: nvidia, device_ids: ["1"], capabilities: [gpu]}
    healthcheck:
      test: ["CMD", "python", "-c", "import torch"]
      timeout: 3s
    depends_on: {db: {condition: service_healthy}}
    cap_add: [SYS_ADMIN]
  db:
    image: postgres
"""


def read(text: str, **variables: str) -> compose.Compose:
    return compose.parse(Source("compose.yaml", text), variables)


def service(text: str, name: str = "s") -> compose.Service:
    found = read(text).service(name)
    assert found is not None
    return found


def test_a_service_is_read_with_the_place_of_every_value() -> None:
    file = read(FILE)
    source = file.source
    assert [s.name for s in file.services] == ["train", "db"]
    assert file.version is not None
    assert source.slice(file.version) == 'version: "3.8"'
    train = file.services[0]
    assert train.image is not None
    assert train.image.text == "org/train:1.2.3"
    assert source.slice(train.image.span) == '"org/train:${TAG:-1.2.3}"'
    restart = train.value("restart")
    assert restart is not None
    assert restart.text == "always"
    assert train.build is not None
    assert train.build.dockerfile is not None
    assert train.build.dockerfile.text == "Dockerfile.gpu"
    assert [(v.name, v.value.text if v.value else None) for v in train.build.args] == [
        ("CUDA", "11.8"),
        ("TOKEN", None),
    ]
    assert train.command is not None
    assert [w.text for w in train.command.words] == ["python", "train.py", "--name", "a b"]
    assert source.slice(train.command.words[3].whole) == "a b"
    assert train.entrypoint is not None
    assert [w.text for w in train.entrypoint.words] == ["bash", "-c", 'exec "$@"']
    assert [(v.name, v.value.text if v.value else None) for v in train.environment] == [
        ("CUDA_VISIBLE_DEVICES", "1"),
        ("HOME", None),
    ]
    assert [(p.host_ip, p.published, p.target) for p in train.ports] == [
        ("127.0.0.1", "8080", "80"),
        (None, "9090", "90"),
    ]
    assert [(v.type, v.origin, v.target, v.readonly) for v in train.volumes] == [
        ("bind", "./data", "/data", True),
        ("volume", "cache", "/root/.cache", False),
        ("bind", "/a", "/b", True),
    ]
    request = train.device_requests[0]
    assert request.form == "reservation"
    assert request.device_ids is not None
    assert [v.text for v in request.device_ids] == ["1"]
    assert train.memory is not None
    assert train.memory.text == "4g"
    assert train.healthcheck is not None
    assert train.healthcheck.timeout is not None
    assert source.slice(train.healthcheck.timeout.span) == "3s"
    assert train.depends_on[0].condition == "service_healthy"
    assert [v.text for v in train.values_of("cap_add")] == ["SYS_ADMIN"]


def test_a_variable_with_no_value_leaves_the_value_unknown() -> None:
    image = read("services: {s: {image: 'a:${TAG}'}}").services[0].image
    assert image is not None
    assert (image.text, image.shown, image.unknown) == (None, "a:${TAG}", ("TAG",))
    image = read("services: {s: {image: 'a:${TAG}'}}", TAG="7").services[0].image
    assert image is not None
    assert image.text == "a:7"


def test_a_test_in_one_string_is_for_a_shell_and_none_disables_it() -> None:
    check = service("services: {s: {healthcheck: {test: curl -f x || exit 1}}}").healthcheck
    assert check is not None
    assert check.test is not None
    assert check.test.shell
    check = service("services: {s: {healthcheck: {test: [NONE]}}}").healthcheck
    assert check is not None
    assert check.disabled


@pytest.mark.parametrize(
    ("text", "expected", "faulty"),
    [
        ("80", (None, None, "80", "tcp"), False),
        ("8080:80/udp", (None, "8080", "80", "udp"), False),
        ("127.0.0.1:8080:80", ("127.0.0.1", "8080", "80", "tcp"), False),
        ("127.0.0.1::80", ("127.0.0.1", None, "80", "tcp"), False),
        ("[::1]:8080:80", ("::1", "8080", "80", "tcp"), False),
        ("9000-9002:80-82", (None, "9000-9002", "80-82", "tcp"), False),
        ("9000-9002:80-81", (None, "9000-9002", "80-81", "tcp"), True),
        ("70000:80", (None, "70000", "80", "tcp"), True),
        ("127.0.0.1:80", (None, "127.0.0.1", "80", "tcp"), True),
        ("${PORT}:80", (None, "${PORT}", "80", "tcp"), False),
    ],
)
def test_ports_come_apart(text: str, expected: tuple[str | None, ...], faulty: bool) -> None:
    source = Source("x", text)
    made = port(text, Span(0, 0), source, False)
    assert (made.host_ip, made.published, made.target, made.protocol) == expected
    assert bool(made.fault) is faulty


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", ("volume", None, "/data", False)),
        ("data:/data", ("volume", "data", "/data", False)),
        ("./a:/b:ro,z", ("bind", "./a", "/b", True)),
        ("C:\\data:/data:ro", ("bind", "C:\\data", "/data", True)),
        ("c:/data:/data", ("bind", "c:/data", "/data", False)),
        ("~/x:/x", ("bind", "~/x", "/x", False)),
        ("${D:-./x}:/x", ("bind", "${D:-./x}", "/x", False)),
    ],
)
def test_volumes_come_apart(text: str, expected: tuple[object, ...]) -> None:
    source = Source("x", text)
    made = volume(text, Span(0, 0), source)
    assert (made.type, made.origin, made.target, made.readonly) == expected


def test_durations_and_sizes_have_units() -> None:
    assert duration("1m30s") == 90
    assert duration("500ms") == 0.5
    assert duration("1.5h") == 5400
    assert duration("3") is None
    assert duration("") is None
    assert size("512m") == 512 * 1024**2
    assert size("2gb") == 2 * 1024**3
    assert size("1.5 GiB") == int(1.5 * 1024**3)
    assert size("64") == 64
    assert size("lots") is None


def test_a_later_file_overrides_and_adds_by_the_merge_rules() -> None:
    base = read(
        "services:\n  s:\n    image: a\n    command: [x, y]\n    environment: [A=1, B=2]\n"
        "    ports: ['80:80']\n    volumes: ['./a:/data']\n    cap_add: [X]\n  t: {image: t}\n"
    )
    over = compose.parse(
        Source(
            "compose.override.yaml",
            "services:\n  s:\n    image: b\n    command: z\n    environment: {B: 3}\n    ports: ['80:80', '81:81']\n"
            "    volumes: ['./b:/data']\n    cap_add: !reset []\n    privileged: true\n",
        )
    )
    merged = compose_merge.merge([base, over]).service("s")
    assert merged is not None
    assert merged.image is not None
    assert merged.image.text == "b"
    assert merged.image.source.path == "compose.override.yaml"
    assert merged.command is not None
    assert [w.text for w in merged.command.words] == ["z"]
    assert {v.name: v.value.text for v in merged.environment if v.value} == {"A": "1", "B": "3"}
    assert [p.raw for p in merged.ports] == ["80:80", "81:81"]
    assert [v.origin for v in merged.volumes] == ["./b"]
    assert not merged.values_of("cap_add")
    assert merged.value("privileged") is not None
    assert compose_merge.merge([base, over]).service("t") is not None


def test_extends_puts_the_other_service_underneath() -> None:
    other = compose.parse(Source("common/c.yaml", "services: {base: {user: app, environment: {A: 1}}}"))
    file = read(
        "services:\n  s:\n    extends: {service: t}\n    environment: {B: 2}\n"
        "  t:\n    extends: {file: common/c.yaml, service: base}\n    image: x\n"
    )
    merged = compose_merge.merge([file], lambda path, _: other if path == "common/c.yaml" else None).service("s")
    assert merged is not None
    user = merged.value("user")
    assert user is not None
    assert user.text == "app"
    assert user.source is other.source
    assert {v.name for v in merged.environment} == {"A", "B"}
    assert merged.image is not None


def test_extends_that_leads_nowhere_or_in_circles_is_an_error() -> None:
    missing = compose_merge.merge([read("services: {s: {extends: {service: nope}}}")])
    assert "does not exist" in missing.errors[0].message
    circle = compose_merge.merge([read("services: {a: {extends: {service: b}}, b: {extends: {service: a}}}")])
    assert "circle" in circle.errors[0].message
    lost = compose_merge.merge([read("services: {a: {extends: {service: b, file: x.yaml}}}")], lambda *_: None)
    assert "cannot be read" in lost.errors[0].message


def test_what_breaks_the_schema_is_named_with_its_place_and_the_nearest_key() -> None:
    for text, at, message in (
        ("services: {s: {imagee: a}}", "imagee", "`imagee` is no key of services.s; did you mean `image`?"),
        ("services: {s: {ports: 80}}", "80", "services.s.ports must be a list"),
        ("services: {s: {build: [a]}}", "[a]", "services.s.build must be a string or a mapping"),
        (
            "services: {s: {deploy: {resources: {reservations: {devices: [{count: 1}]}}}}}",
            "{count: 1}",
            "`capabilities`",
        ),
        ("services: {s: {depends_on: {b: {condition: up}}}}", "up", "must be one of"),
        ("version: 3\n", "3", "version must be a string"),
        ("services: {s: {oom_score_adj: 2000}}", "2000", "at most 1000"),
        ("services: {'a b': {image: x}}", "'a b'", "no valid name"),
        ("web:\n  image: a\n", "web", "belong under `services:`"),
        ("services: {s: {dns_opt: [a, a]}}", "a", "twice"),
    ):
        source = Source("compose.yaml", text)
        errors = compose_schema.violations(compose.parse(source).document.root, unique=True)
        assert [source.slice(e.span) for e in errors] == [at], text
        assert message in errors[0].message


def test_repeated_items_that_compose_drops_are_no_violation_by_default() -> None:
    root = read("services: {s: {environment: [A=1, A=1]}}").document.root
    assert not compose_schema.violations(root)
    assert compose_schema.violations(root, unique=True)


def test_variables_and_reset_values_are_no_violation() -> None:
    text = "services: {s: {oom_score_adj: '${X}', ports: !reset null, deploy: {replicas: '${N}'}}}"
    assert not compose_schema.violations(read(text).document.root)


_SCALARS = st.sampled_from(["a", "1", "1.5", "true", "null", "'1'", "80:80", "all", "gpu"])
_KEYS = st.sampled_from(
    "services image build ports environment deploy resources reservations devices count capabilities volumes type"
    " healthcheck test gpus cpus networks s ulimits nofile x-y depends_on condition env_file extends service".split()
)
_NODES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(_KEYS, inner, max_size=3).map(lambda d: f"{{{', '.join(f'{k}: {v}' for k, v in d.items())}}}")
    ),
    max_leaves=8,
)


def _plain(node: object) -> object:
    from repro_audit.syntax.tree import Mapping, Scalar, Sequence, entries_of

    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [_plain(i) for i in node.items]
    assert isinstance(node, Mapping)
    return {e.key.text: _plain(e.value) for e in entries_of(node)}


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(_KEYS, _NODES, max_size=4))
def test_the_verdict_is_that_of_the_jsonschema_library(keys: dict[str, str]) -> None:
    import jsonschema

    body = ", ".join(f"{k}: {v}" for k, v in keys.items())
    root = read(f"services: {{s: {{{body}}}}}").document.root
    validator = jsonschema.Draft7Validator(compose_schema.schema())
    assert bool(compose_schema.violations(root, unique=True)) == bool(list(validator.iter_errors(_plain(root))))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(FILE)), st.integers(0, 40), st.text(alphabet="{}[]:&*!- \n'\"ab$\x00é", max_size=8))
def test_a_damaged_file_is_still_read(at: int, length: int, put: str) -> None:
    text = FILE[:at] + put + FILE[at + length :]
    file = read(text)
    merged = compose_merge.merge([file, file])
    compose_schema.violations(merged.document.root)
    for found in file.services:
        for value in found.values.values():
            assert 0 <= value.span.start <= value.span.end <= len(text)
    for error in (*file.errors, *compose_schema.violations(file.document.root)):
        assert 0 <= error.span.start <= error.span.end <= len(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="ab '\"\\\n$:/[]-.0129", max_size=30))
def test_any_text_is_split_into_words_ports_and_volumes(text: str) -> None:
    source = Source("x", text)
    whole = source.excerpt(Span(0, len(text)))
    for word in words(whole):
        assert 0 <= word.whole.start <= word.whole.end <= len(text)
    port(text, whole.whole, source, True)
    volume(text, whole.whole, source)
    duration(text)
    size(text)
