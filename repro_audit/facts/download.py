"""What a command or an ADD instruction fetches by address: files, git repositories, models, data sets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from repro_audit.facts.address import of_revision, of_url
from repro_audit.facts.download_check import check
from repro_audit.facts.download_git import clones
from repro_audit.facts.download_python import cache, of_python, under_mount
from repro_audit.facts.download_use import is_key, use_of
from repro_audit.facts.input import Download
from repro_audit.facts.operand import Operand, operands, shown
from repro_audit.facts.pin import Level, Pin
from repro_audit.source import Span

if TYPE_CHECKING:
    from repro_audit.facts.command import Command
    from repro_audit.facts.instruction import Instruction

TOOLS = frozenset(
    "curl wget aria2c git svn gdown huggingface-cli hf ollama kaggle aws gsutil gcloud spacy python python3".split()
)
_CURL = frozenset(
    """-A --user-agent -b --cookie -c --cookie-jar -C --continue-at -d --data --data-ascii --data-binary --data-raw
    --data-urlencode -D --dump-header -e --referer -E --cert -F --form -h -H --header -K --config -m --max-time -o
    --output --output-dir -P --ftp-port -Q --quote -r --range -t --telnet-option -T --upload-file -u --user -U
    --proxy-user -w --write-out -x --proxy -X --request -y --speed-time -Y --speed-limit -z --time-cond --cacert
    --capath --ciphers --connect-timeout --connect-to --create-file-mode --interface --keepalive-time --key
    --limit-rate --max-filesize --max-redirs --noproxy --proto --proto-default --proto-redir --resolve --retry
    --retry-delay --retry-max-time --tls-max --tls13-ciphers --unix-socket --oauth2-bearer --aws-sigv4 --dns-servers
    --parallel-max --json --url-query --netrc-file --pass --rate --stderr --trace --trace-ascii""".split()
)
_WGET = frozenset(
    """-a -A -b -B -D -e -i -I -l -o -O -P -Q -R -t -T -U -w -X --append-output --output-file --output-document
    --directory-prefix --tries --timeout --user --password --header --user-agent --waitretry --wait --limit-rate
    --execute --input-file --base --level --accept --reject --domains --cut-dirs --ca-certificate --secure-protocol
    --read-timeout --dns-timeout --connect-timeout --retry-on-http-error --method --post-data --post-file --body-data
    --quota --referer --load-cookies --save-cookies --http-user --http-password --default-page --progress""".split()
) - {"-b"}  # fmt: skip
_ARIA = frozenset(
    "-o --out -d --dir -x -s -k -j -c --checksum --user-agent --header -m --max-tries -t --timeout".split()
) - {"-c"}
_ADDRESS = re.compile(r"(?:https?|ftps?)://")
_LOCAL = re.compile(
    r"(?:https?|ftps?)://(?:[^@/]*@)?(?:localhost|127\.|0\.0\.0\.0|\[|host\.docker|169\.254|[\w-]+(?:[:/]|$))"
)
_SENDS = (
    "-d", "--data", "--data-raw", "--data-binary", "--data-ascii", "--data-urlencode", "-F", "--form", "-T",
    "--upload-file", "-I", "--head", "--json",
)  # fmt: skip
_GIT_ADDRESS = re.compile(r"(?:https?://[^#?]*\.git|git@[^#?]+|(?:git|ssh)://[^#?]+)(?:\?[^#]*)?(?:#([^:]*).*)?\Z")
_GIT_QUERY = re.compile(r"[?&](?:ref|tag|branch|commit|checksum)=([^&#]+)")
_KEY_PIN = Pin(Level.PERISHABLE, "a signing key, which its owner may replace")
_OPTIONS_NAME = re.compile(r"FLAG|OPT|ARG", re.IGNORECASE)


def downloads(command: Command, *, later: Sequence[Command] = ()) -> tuple[Download, ...]:
    """What the command fetches. `later` are commands of later instructions, which may check or pin the result."""
    name = command.name
    if name == "curl" or name == "wget" or name == "aria2c":
        return tuple(_files(command, later)) if command.when != "health" else ()
    if name == "git":
        return tuple(clones(command, later))
    if name.startswith("python"):
        return tuple(_module(command)) if "-m" in command.args[:3] else tuple(of_python(command))
    return tuple(_tool(command, later))


def _files(command: Command, later: Sequence[Command]) -> Iterator[Download]:
    """Files that curl, wget and aria2c fetch to keep."""
    tool = command.name
    valued = _CURL if tool == "curl" else _WGET if tool == "wget" else _ARIA
    if _only_asks(command):
        return
    named = [item for item in operands(command, valued) if _is_address(item)]
    named += [
        Operand(value, command.words[i + 2], i + 1, None)
        for i, (arg, value) in enumerate(zip(command.args, command.args[1:], strict=False))
        if tool == "curl" and arg == "--url"
    ]
    for item in named:
        url = item.text
        if _LOCAL.match(url) and "$" not in url.partition("://")[2].partition("/")[0]:
            continue
        output = _output(command, url)
        if output == "/dev/null":
            continue
        reason = check(command, output, later)
        if reason is None and tool == "aria2c" and command.has("--checksum"):
            reason = "its checksum is checked"
        use = use_of(command, url, output)
        pin = Pin(Level.HASHED, reason) if reason is not None else of_url(url)
        yield Download(
            source=command.source,
            span=item.span,
            kind="download",
            tool=tool,
            name=shown(command, item.span, url),
            url=url if _ADDRESS.match(url) else None,
            revision=None,
            verified=reason is not None,
            pin=_KEY_PIN if use == "key" and pin.level < Level.PERISHABLE else pin,
            command=command,
            stage=command.stage,
            cache_mount=under_mount(command, output),
            use=use,
        )


def _is_address(item: Operand) -> bool:
    text = item.text
    if _ADDRESS.match(text):
        return True
    if "://" in text or text.startswith(("-", "/", ".")):
        return False
    if item.unknown is None or not text.startswith("$") or text.startswith(("$@", "$*", "$(")):
        return False
    return not _OPTIONS_NAME.search(item.unknown)


def _only_asks(command: Command) -> bool:
    """Whether the answer's content is not what the command wants: it sends, tests, or shows."""
    args = command.args
    if command.name == "wget":
        return any(a == "--spider" or a.startswith(("--post-", "--method=P", "--method=D", "--body-")) for a in args)
    if command.name != "curl":
        return False
    for index, arg in enumerate(args):
        if arg in _SENDS or arg.startswith(("--data", "--form=", "--json=")):
            return True
        if arg in ("-X", "--request"):
            return args[index + 1 : index + 2] not in (("GET",), ())
        if arg.startswith(("-X", "--request=")) and not arg.endswith("GET"):
            return True
        if re.fullmatch(r"-[a-zA-Z]*I[a-zA-Z]*", arg) and not arg.startswith("-X"):
            return True
    return False


def _output(command: Command, url: str) -> str | None:
    """The file that the content goes to, `-` or None when it goes on through a pipe or a variable."""
    base = url.partition("?")[0].rstrip("/").rpartition("/")[2]
    for redirect in command.node.redirects:
        if redirect.op in (">", ">>", ">|") and redirect.fd in (None, 1) and redirect.target is not None:
            return redirect.target.shown(command.variables)
    if command.name == "curl":
        given = _last_letter(command, "o", "--output", _CURL)
        folder = command.value("--output-dir")
        if given is None and any(
            re.fullmatch(r"-[a-zA-Z#]*O[a-zA-Z]*|--remote-name(?:-all)?", a) for a in command.args
        ):
            given = base
        return f"{folder}/{given}" if folder and given else given
    if command.name == "wget":
        given = _last_letter(command, "O", "--output-document", _WGET)
        folder = _last_letter(command, "P", "--directory-prefix", _WGET)
        return given or (f"{folder}/{base}" if folder else base)
    given, folder = command.value("-o", "--out") or base, command.value("-d", "--dir")
    return f"{folder}/{given}" if folder else given


def _last_letter(command: Command, letter: str, long: str, valued: frozenset[str]) -> str | None:
    """The value of an option that may end a cluster (`-fsSLo x`, `-qO- `) or be joined to its value."""
    args = command.args
    for index, arg in enumerate(args):
        if arg == long:
            return args[index + 1] if index + 1 < len(args) else None
        if arg.startswith(long + "="):
            return arg[len(long) + 1 :]
        if arg[:1] != "-" or arg[1:2] == "-":
            continue
        for at in range(1, len(arg)):
            if arg[at] == letter:
                if at == len(arg) - 1:
                    return args[index + 1] if index + 1 < len(args) else None
                return arg[at + 1 :]
            if "-" + arg[at] in valued:
                break
    return None


def _made(
    command: Command, item: Operand, kind: str, pin: Pin, revision: str | None = None, path: str | None = None
) -> Download:
    url = item.text if "://" in item.text else None
    return Download(
        source=command.source,
        span=item.span,
        kind=kind,
        tool=command.name,
        name=item.text,
        url=url,
        revision=revision,
        verified=pin.level is Level.HASHED,
        pin=pin,
        command=command,
        stage=command.stage,
        cache_mount=under_mount(command, path),
    )


_HF = frozenset("--revision --repo-type --local-dir --cache-dir --include --exclude --token --max-workers".split())
_REPLACED = Pin(Level.PERISHABLE, "whoever serves it may replace it")
_NEWEST = Pin(Level.FLOATING, "the newest is taken")


def _checked(command: Command, output: str | None, later: Sequence[Command], otherwise: Pin) -> Pin:
    reason = check(command, output, later)
    return otherwise if reason is None else Pin(Level.HASHED, reason)


def _tool(command: Command, later: Sequence[Command]) -> Iterator[Download]:
    """What the programs of model hubs, data sets and object stores fetch."""
    name, args = command.name, command.args
    if name in ("huggingface-cli", "hf"):
        found = list(operands(command, _HF))
        if len(found) > 1 and found[0].text == "download":
            revision = command.value("--revision")
            kind = "dataset" if command.value("--repo-type") == "dataset" else "model"
            pin = of_revision(revision, "no revision: the newest commit of the main branch is taken")
            path = command.value("--local-dir") or command.value("--cache-dir") or cache(command, "huggingface")
            yield _made(command, found[1], kind, pin, revision, path)
    elif name == "ollama":
        found = list(operands(command, frozenset()))
        if len(found) > 1 and found[0].text == "pull":
            yield _made(command, found[1], "model", _ollama(found[1].text), None, cache(command, "ollama"))
    elif name == "gdown":
        found = list(operands(command, frozenset(("-O", "--output", "--proxy", "--speed", "--id"))))
        output = command.value("-O", "--output")
        given = [
            Operand(args[i + 1], command.words[i + 2], i + 1, None) for i, arg in enumerate(args[:-1]) if arg == "--id"
        ]
        for item in (given or found)[:1]:
            yield _made(command, item, "dataset", _checked(command, output, later, _REPLACED), None, output)
    elif name == "kaggle":
        found = list(operands(command, frozenset(("-f", "--file", "-p", "--path", "-d", "-c", "-v"))))
        if len(found) > 1 and found[1].text == "download":
            value = command.value("-d", "-c")
            item = found[2] if len(found) > 2 else found[1]._replace(text=value or "")
            if item.text:
                yield _made(command, item, "dataset", _NEWEST, None, command.value("-p", "--path"))
    elif name == "spacy":
        yield from _spacy(command, 0)
    elif name == "svn":
        found = list(operands(command, frozenset(("-r", "--revision", "--username", "--password"))))
        if len(found) > 1 and found[0].text in ("checkout", "co", "export"):
            revision = command.value("-r", "--revision")
            pin = Pin(Level.PERISHABLE, "a revision number") if revision else of_url(found[1].text)
            yield _made(command, found[1], "download", pin, revision)
    elif name in ("aws", "gsutil", "gcloud"):
        yield from _bucket(command, later)


def _bucket(command: Command, later: Sequence[Command]) -> Iterator[Download]:
    valued = frozenset(("--region", "--profile", "--endpoint-url", "--include", "--exclude", "--storage-class"))
    found = [item for item in operands(command, valued) if item.text not in ("s3", "storage")]
    if len(found) > 2 and found[0].text in ("cp", "sync", "rsync", "mv"):
        first, second = found[1], found[2]
        if first.text.startswith(("s3://", "gs://")) and "://" not in second.text:
            base = first.text.rstrip("/").rpartition("/")[2] if second.text.endswith(("/", ".")) else second.text
            pin = _checked(command, base, later, of_url(first.text))
            yield _made(command, first, "dataset", pin, None, second.text)


def _ollama(model: str) -> Pin:
    if "@sha256:" in model:
        return Pin(Level.HASHED, "a digest")
    if ":" in model and not model.endswith(":latest"):
        return Pin(Level.PERISHABLE, "a tag can be moved")
    return Pin(Level.FLOATING, "no tag: `latest` is taken")


def _module(command: Command) -> Iterator[Download]:
    """`python -m spacy download`, `python -m nltk.downloader`."""
    index = command.args.index("-m") + 1
    module = command.args[index] if index < len(command.args) else ""
    if module == "spacy":
        yield from _spacy(command, index + 1)
    elif module in ("nltk.downloader", "nltk"):
        folder = command.value("-d") or cache(command, "nltk")
        for item in operands(command, frozenset(("-d", "-u", "-e")), index + 1):
            yield _made(command, item, "dataset", _NEWEST, None, folder)


def _spacy(command: Command, start: int) -> Iterator[Download]:
    found = list(operands(command, frozenset(), start))
    if len(found) > 1 and found[0].text == "download":
        item = found[1]
        exact = re.search(r"-\d+\.\d+\.\d+", item.text) is not None
        pin = (
            _REPLACED if exact else Pin(Level.FLOATING, "no version: the newest that fits the installed spaCy is taken")
        )
        yield _made(command, item, "model", pin)


def added(instruction: Instruction) -> tuple[Download, ...]:
    """What an ADD instruction fetches: addresses of files and of git repositories."""
    node = instruction.node
    flag = node.flag("checksum")
    checksum = flag.value if flag is not None else None
    found: list[Download] = []
    for value, known in list(zip(node.value, instruction.words, strict=False))[:-1]:
        text = known if known is not None else value.text
        git = _GIT_ADDRESS.match(text)
        if git is None and not _ADDRESS.match(text):
            continue
        revision = (git.group(1) or None) if git is not None else None
        if git is not None and (query := _GIT_QUERY.findall(text)):
            revision = query[-1]
        if checksum:
            pin = Pin(Level.HASHED, "its checksum is checked")
        else:
            pin = of_revision(revision) if git is not None else of_url(text)
        span: Span = value.whole
        use = "key" if git is None and is_key(text) else "file"
        if use == "key" and pin.level < Level.PERISHABLE:
            pin = _KEY_PIN
        found.append(
            Download(
                source=instruction.source,
                span=span,
                kind="git" if git is not None else "download",
                tool="ADD",
                name=text,
                url=text,
                revision=revision,
                verified=pin.level is Level.HASHED,
                pin=pin,
                stage=instruction.stage,
                use=use,
            )
        )
    return tuple(found)
