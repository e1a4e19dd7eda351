import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from repro_audit.facts import actions, containers, docker_run, runtime_commands, shell_commands
from repro_audit.facts.command import Command
from repro_audit.facts.container import Container
from repro_audit.facts.gpu_request import of_device, of_gpus_option
from repro_audit.facts.pin import Level
from repro_audit.source import Source, Span
from repro_audit.syntax import apptainer, compose, devcontainer, shell, workflow


def of_service(body: str) -> Container:
    return containers.of_compose(compose.parse(Source("compose.yaml", f"services:\n  s:\n{body}")), "sub")[0]


def script(text: str) -> tuple[Command, ...]:
    source = Source("run.sh", text)
    parsed = shell.parse(source.excerpt(Span(0, len(text))))
    return tuple(shell_commands.commands(parsed, {}, where="workflow", when="ci"))


def run(text: str) -> Container:
    found = docker_run.container_of(script(text)[0])
    assert found is not None
    return found


# --- compose -------------------------------------------------------------------------------------------------------


def test_a_service_becomes_a_container() -> None:
    found = of_service(
        "    image: python:3.10\n    user: '1000'\n    privileged: true\n    network_mode: host\n    shm_size: 8g\n"
        "    ports: ['8080:80']\n    volumes: ['./d:/d:ro']\n    environment: [A=1, B]\n    profiles: [gpu]\n"
        "    command: python serve.py\n    deploy: {resources: {limits: {memory: 4g}}}\n"
        "    healthcheck: {test: [CMD, python, -c, 'import torch'], timeout: 3s, retries: 2}\n"
    )
    assert found.image is not None
    assert found.image.pin.level == Level.RANGED
    assert found.user is not None
    assert found.user.value == "1000"
    assert found.privileged is not None
    assert found.privileged.value == "true"
    assert found.network_mode is not None
    assert found.shm_size is not None
    assert found.memory is not None
    assert found.memory.value == "4g"
    assert found.ports[0].host_ip is None
    assert found.mounts[0].readonly
    assert [(v.name, v.value) for v in found.env] == [("A", "1"), ("B", None)]
    assert found.profiles == ("gpu",)
    assert found.healthcheck is not None
    assert found.healthcheck.test == ("CMD", "python", "-c", "import torch")
    assert found.healthcheck.timeout == 3.0
    assert found.healthcheck.timeout_span is not None
    assert found.source.slice(found.healthcheck.timeout_span) == "3s"
    assert [(c.name, c.args, c.where, c.when) for c in found.commands] == [
        ("python", ("serve.py",), "compose", "start"),
        ("python", ("-c", "import torch"), "healthcheck", "health"),
    ]


def test_the_paths_of_a_build_are_relative_to_the_project() -> None:
    build = of_service(
        "    build: {context: ../app, dockerfile: gpu.Dockerfile, target: final}\n    image: own\n"
    ).build
    assert build is not None
    assert (build.context, build.dockerfile, build.target) == ("app", "app/gpu.Dockerfile", "final")
    for text, context in ((".", "sub"), ("..", ""), ("../..", None), ("https://x/y.git", None), ("/abs", None)):
        build = of_service(f"    build: '{text}'\n").build
        assert build is not None
        assert build.context == context


def test_an_image_that_the_service_builds_is_local() -> None:
    image = of_service("    build: .\n    image: own:latest\n").image
    assert image is not None
    assert image.pin.level == Level.LOCAL


RESERVATION = "    deploy:\n      resources:\n        reservations:\n          devices:\n            - "


@pytest.mark.parametrize(
    ("request_", "fault", "place"),
    [
        ("{driver: nvidia, count: 1, capabilities: [gpu]}", None, None),
        ("{driver: nvidia, device_ids: ['0', '1'], capabilities: [gpu]}", None, None),
        ("{count: all, capabilities: [gpu, utility]}", None, None),
        ("{count: '${N}', capabilities: [gpu]}", None, None),
        ("{driver: nvidia, count: 1}", "`capabilities` is missing", "{driver: nvidia, count: 1}"),
        ("{driver: nvidia, capabilities: []}", "`capabilities` is empty", "[]"),
        ("{count: 1, device_ids: ['0'], capabilities: [gpu]}", "exclude each other", "1"),
        ("{count: 0, capabilities: [gpu]}", "asks for no GPU", "0"),
        ("{count: some, capabilities: [gpu]}", "a number or `all`", "some"),
        ("{driver: nvida, count: 1, capabilities: [gpu]}", "did you mean `nvidia`", "nvida"),
        ("{count: 1, capabilities: [gpus]}", "did you mean `gpu`", "gpus"),
        ("{count: 1, capabilites: [gpu]}", "did you mean `capabilities`", "capabilites"),
    ],
)
def test_a_reservation_is_a_request_with_its_fault(request_: str, fault: str | None, place: str | None) -> None:
    found = of_service(RESERVATION + request_ + "\n")
    gpu = found.gpus[0]
    assert gpu.form == "reservation"
    if fault is None:
        assert gpu.fault is None
    else:
        assert fault in (gpu.fault or "")
        assert gpu.fault_span is not None
        assert found.source.slice(gpu.fault_span) == place


def test_a_reservation_of_another_device_is_no_gpu_request() -> None:
    assert not of_service(RESERVATION + "{count: 1, capabilities: [tpu]}\n").gpus


def test_the_other_ways_of_asking_for_a_gpu_are_known() -> None:
    assert [g.form for g in of_service("    gpus: all\n").gpus] == ["gpus"]
    assert [g.form for g in of_service("    runtime: nvidia\n").gpus] == ["runtime"]
    assert [g.form for g in of_service("    devices: [nvidia.com/gpu=all]\n").gpus] == ["cdi"]
    assert [g.driver for g in of_service("    devices: [/dev/kfd, /dev/dri]\n").gpus] == ["rocm", "rocm"]
    assert not of_service("    devices: ['/dev/snd:/dev/snd']\n").gpus


# --- docker run ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "docker run IMAGE",
        "docker run -it --rm IMAGE bash",
        "docker run -itd --name x -e A=1 -v a:/b -p 80:80 --gpus all IMAGE python x.py",
        "docker --context remote run --entrypoint= -u1000 -eA=1 IMAGE -it",
        "docker container run --ulimit memlock=-1 --shm-size=1g IMAGE",
        "sudo podman run --security-opt label=disable --device nvidia.com/gpu=all IMAGE",
        "docker create --net host -w /w -- IMAGE",
        "nvidia-docker run -h host -P IMAGE nvidia-smi",
    ],
)
def test_the_image_of_a_docker_run_is_found_exactly(text: str) -> None:
    text = text.replace("IMAGE", "org/app:1.2")
    found = run(text)
    assert found.image is not None
    assert found.image.image == "org/app:1.2"
    assert text[slice(*found.image.span)] == "org/app:1.2"


def test_the_options_of_a_docker_run_become_the_container() -> None:
    found = run(
        "docker run --privileged -u 0 --gpus '\"device=0,1\"' -e A=1 -e B --mount type=bind,src=/a,dst=/b,readonly"
        " -p 127.0.0.1:80:80 --network=host --ipc host --memory 4g --cap-add SYS_ADMIN img bash -c 'nvidia-smi && x'"
    )
    assert found.privileged is not None
    assert found.user is not None
    assert found.user.value == "0"
    assert found.gpus[0].device_ids == ("0", "1")
    assert found.gpus[0].fault is None
    assert [(v.name, v.value) for v in found.env] == [("A", "1"), ("B", None)]
    assert (found.mounts[0].target, found.mounts[0].readonly) == ("/b", True)
    assert found.ports[0].host_ip == "127.0.0.1"
    assert found.network_mode is not None
    assert found.network_mode.value == "host"
    assert found.ipc is not None
    assert found.memory is not None
    assert [c.value for c in found.cap_add] == ["SYS_ADMIN"]
    assert [c.name for c in found.commands] == ["nvidia-smi", "x"]


def test_the_entrypoint_comes_before_the_words_after_the_image() -> None:
    assert [c.name for c in run("docker run --entrypoint python img train.py").commands] == ["python"]


def test_other_docker_commands_run_nothing() -> None:
    for text in ("docker build .", "docker compose run x", "docker pull a", "docker run", "echo docker run a"):
        assert docker_run.container_of(script(text)[0]) is None


def test_an_image_in_a_variable_is_unknown_unless_the_script_sets_it() -> None:
    image = run("docker run --rm $IMAGE x").image
    assert image is not None
    assert image.unknown == ("IMAGE",)
    commands = script("IMAGE=python:3.12.7; docker run $IMAGE")
    found = docker_run.container_of(commands[-1])
    assert found is not None
    assert found.image is not None
    assert found.image.pin.level == Level.PERISHABLE


def test_a_variable_that_holds_options_is_not_taken_for_the_image() -> None:
    image = run("docker run $GPU_FLAGS --rm python:3").image
    assert image is not None
    assert image.image == "python:3"


def test_an_image_that_the_same_script_builds_is_local() -> None:
    commands = script("docker build -t app . && docker run app:latest && docker run other")
    built = docker_run.built(commands)
    levels = [f.image.pin.level for c in commands if (f := docker_run.container_of(c, built)) and f.image]
    assert levels == [Level.LOCAL, Level.FLOATING]


def test_gpus_options_are_read_as_docker_reads_them() -> None:
    at = Span(0, 0)
    assert of_gpus_option("all", at).count == "all"
    assert of_gpus_option("2", at).count == "2"
    assert of_gpus_option("device=1", at).device_ids == ("1",)
    assert of_gpus_option('"device=0,1"', at).device_ids == ("0", "1")
    assert of_gpus_option('all,"capabilities=compute,utility"', at).capabilities == ("compute", "utility")
    assert "quotes" in (of_gpus_option("device=0,1", at).fault or "")
    assert of_gpus_option("0", at).fault is not None
    assert of_gpus_option("every", at).fault is not None
    cdi = of_device("nvidia.com/gpu=0", at)
    assert cdi is not None
    assert cdi.device_ids == ("0",)


# --- devcontainers, workflows, Apptainer ---------------------------------------------------------------------------


def test_a_devcontainer_becomes_a_container() -> None:
    text = (
        '{"image": "mcr.microsoft.com/devcontainers/python:3.11", "runArgs": ["--gpus", "all", "--shm-size=1g"],'
        ' "hostRequirements": {"gpu": true}, "mounts": ["source=c,target=/root/.cache,type=volume"],'
        ' "remoteUser": "vscode", "containerEnv": {"A": "1"}, "postCreateCommand": "pip install x"}'
    )
    file = devcontainer.parse(Source("devcontainer.json", text))
    found = containers.of_devcontainer(file, ".devcontainer")
    assert found is not None
    assert found.image is not None
    assert found.image.pin.level == Level.RANGED
    assert [g.form for g in found.gpus] == ["gpus", "gpus"]
    assert found.mounts[0].target == "/root/.cache"
    assert found.user is not None
    assert found.user.value == "vscode"
    assert found.shm_size is not None
    assert [(c.name, c.when) for c in runtime_commands.of_devcontainer(file)] == [("pip", "create")]


def test_a_devcontainer_builds_relative_to_its_own_folder() -> None:
    file = devcontainer.parse(Source("x", '{"build": {"dockerfile": "../Dockerfile", "context": ".."}}'))
    found = containers.of_devcontainer(file, ".devcontainer")
    assert found is not None
    assert found.build is not None
    assert (found.build.context, found.build.dockerfile) == ("", "Dockerfile")


def test_a_job_has_its_container_services_and_commands() -> None:
    text = (
        "jobs:\n  t:\n    container: {image: 'python:${{ matrix.v }}', options: --gpus all}\n"
        "    services: {db: {image: postgres}}\n    steps:\n      - run: |\n          pip install ${{ inputs.x }} numpy\n"
        "      - run: Get-Item\n        shell: pwsh\n"
    )
    file = workflow.parse(Source("ci.yml", text))
    first, second = containers.of_workflow(file)
    assert first.image is not None
    assert first.image.unknown == ("matrix.v",)
    assert first.gpus[0].form == "gpus"
    assert second.name == "db"
    commands = list(runtime_commands.of_workflow(file))
    assert [c.name for c in commands] == ["pip"]
    assert file.source.slice(commands[0].words[2].span) == "${{ inputs.x }}"


def test_an_apptainer_definition_starts_from_an_image() -> None:
    file = apptainer.parse(Source("x.def", "Bootstrap: docker\nFrom: ubuntu:22.04\n%post\n  apt-get update\n"))
    assert [i.pin.level for i in containers.of_definition(file)] == [Level.RANGED]
    assert [(c.name, c.when) for c in runtime_commands.of_definition(file)] == [("apt-get", "build")]
    local = apptainer.parse(Source("x.def", "Bootstrap: localimage\nFrom: base.sif\n"))
    assert [i.pin.level for i in containers.of_definition(local)] == [Level.LOCAL]


@pytest.mark.parametrize(
    ("uses", "level"),
    [
        ("actions/checkout@v4", Level.RANGED),
        ("actions/checkout@v4.1.1", Level.PERISHABLE),
        ("actions/checkout@" + "a1" * 20, Level.HASHED),
        ("actions/checkout@main", Level.FLOATING),
        ("actions/checkout", Level.FLOATING),
        ("./.github/actions/x", Level.LOCAL),
        ("docker://alpine:3.19", Level.RANGED),
    ],
)
def test_what_a_workflow_uses_stands_on_its_rung(uses: str, level: Level) -> None:
    file = workflow.parse(Source("ci.yml", f"jobs:\n  t:\n    steps:\n      - uses: {uses}\n"))
    assert [a.pin.level for a in actions.of_workflow(file)] == [level]


@pytest.mark.parametrize(
    ("name", "level"),
    [
        ("ghcr.io/devcontainers/features/git:1", Level.RANGED),
        ("ghcr.io/devcontainers/features/git:1.2.3", Level.PERISHABLE),
        ("ghcr.io/devcontainers/features/git", Level.FLOATING),
        ("ghcr.io/devcontainers/features/git@sha256:" + "a" * 64, Level.HASHED),
        ("./own", Level.LOCAL),
    ],
)
def test_a_feature_stands_on_its_rung(name: str, level: Level) -> None:
    file = devcontainer.parse(Source("x", f'{{"features": {{"{name}": {{}}}}}}'))
    assert [a.pin.level for a in actions.of_features(file)] == [level]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            "docker run create -it -e A=1 --gpus device=0,1 \"'all'\" $X --rm img:1 -- - -v a:b:c --mount x=y -p : '' é".split()
        ),
        max_size=10,
    )
)
def test_any_command_line_is_read(words: list[str]) -> None:
    text = "docker run " + " ".join(words)
    for command in script(text):
        container = docker_run.container_of(command, docker_run.built([command]))
        if container is None:
            continue
        settings_ = (*container.mounts, *container.ports, *container.env, *container.gpus)
        for span in (container.span, *(each.span for each in settings_)):
            assert 0 <= span.start <= span.end <= len(text)
        if container.image is not None:
            assert text[slice(*container.image.span)] == container.image.text


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="all0129,=\"device\\'count", max_size=20))
def test_a_gpus_option_counts_or_names_devices_or_says_what_is_wrong(text: str) -> None:
    request = of_gpus_option(text, Span(3, 9))
    assert request.span == Span(3, 9)
    assert (request.fault is None) == (request.fault_span is None)
    if request.fault is None:
        assert request.count is None or request.device_ids is None
        assert request.count in (None, "all") or int(request.count)


@given(st.lists(st.from_regex(r"[0-9]|GPU-[0-9a-f]{4}", fullmatch=True), min_size=1, max_size=4))
def test_devices_written_as_docker_wants_them_are_those_devices(ids: list[str]) -> None:
    request = of_gpus_option(f"'\"device={','.join(ids)}\"'", Span(0, 0))
    assert (request.device_ids, request.count, request.fault) == (tuple(ids), None, None)
