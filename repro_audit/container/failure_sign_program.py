"""Signs that a program of the image failed: compilers, files, programs and permissions that it missed."""

from __future__ import annotations

from repro_audit.container.failure_sign import Sign, sign

_FILE = (
    r"[\w./~@-]*(?:/[\w.-]+|"
    r"\.(?:toml|json|ya?ml|lock|txt|xml|mod|py|js|ts|sh|cfg|ini|md|jar|war|\w*proj|sln|zip|gz|deb))"
)

PROGRAMS: tuple[Sign, ...] = (
    sign(
        "command-failed",
        r"there (?:are|were) (?:test failures|failing tests)|^=+ .*\b\d+ (?:failed|errors?)\b.* in \d|"
        r"^FAILED \((?:fail|err)",
        r"^\s*--- FAIL: |^Test Suites: .*\d+ failed|test result: FAILED|^\s*Tests:? .*\b\d+ failed|\b\d+ tests? failed",
        r"Failed!\s+- Failed: +[1-9]|Tests run: \d+, Failures: (?!0, Errors: 0)\d|\d+ examples?, [1-9]\d* failures?",
        r"^FAILURES!$|npm (?:ERR!|error) Test failed|^The following tests FAILED",
        summary="tests failed",
        remedy="do they need what a build has not (network, services, time zone)? Run them outside of the build",
        by="command",
    ),
    # what a setup.py says of itself tells more than what pip says of it
    sign(
        "file-not-found",
        r"(?-i:FileNotFoundError): \[Errno 2\] No such file or directory: [\"'](?:[\w.-]*/|[\w-]+\.\w)",
    ),
    sign(
        "program-not-found",
        r"(?-i:ModuleNotFoundError): |ImportError: No module named",
        summary="a library is not installed in the image",
        remedy="install it in an earlier instruction, or lock it with the rest",
    ),
    sign(
        "compiler",
        r"fatal error: .*: No such file or directory|fatal error: '.*' file not found",
        r"^(?:\./)?\S+\.(?:c|cc|cpp|cxx|cu|h|hpp|f90|rs|java|swift|kt|m|hs):\[?\d+(?:[:,]\d+)?\]?:? .*error",
        r"^(?:\./)?\S+\.go:\d+:\d+: |^e: (?:file://)?/\S+\.kts?:|^(?:\S+ )?\S+\.java:\[\d+,\d+\] ",
        r"^error\[E\d{4}\]|error: linking with|error TS\d{4}|error CS\d{4}|error FS\d{4}|COMPILATION ERROR",
        r"error: command '?\S*(?:gcc|g\+\+|cc|clang|nvcc)\S*'? failed|nvcc fatal|Compilation (?:failed|failure)",
        r"unable to execute '?\S*(?:gcc|cc|g\+\+)|error compiling (?:cython|objects)",
        r"No such file or directory: '?(?:gcc|cc|g\+\+|nvcc|cmake|ninja)",
        r"\b(?:gcc|cc|g\+\+|make|cmake|nvcc|ld|clang|cargo|rustc|pkg-config): (?:(?:command )?not found|No such file)",
        r"C compiler \"?\S+ not found|linker `\S+` not found|collect2: error|No working compiler found",
        r"undefined reference to|cannot find -l|ld returned 1|undefined symbols? for architecture",
        r"CMake Error|meson\.build:\d+:\d+: ERROR",
        r"error: failed building wheel|failed building wheel|^(?:ERROR: )?Failed to build (?!`?\S*(?:image|"
        r"service)\b)[`'\w]",
        r"Could not build wheels|error: could not compile|failed to run custom build command",
        r"metadata-generation-failed|configure: error|subprocess-exited-with-error|gyp ERR! (?:build|configure|"
        r"stack|find)",
        r"Command errored out with exit status|Command \"?python setup\.py egg_info\"? failed|ChefBuildError|"
        r"Backend subprocess exited",
        r"No package '\S+' found|pkg-config search path|(?:pg|mysql|xml2|xslt|"
        r"curl)[_-]config(?: executable)?:? not found|"
        r"Package requirements \(.* were not met|CUDA_HOME environment",
        r"can't find Rust compiler|Rust compiler is required|requires Rust|No CMAKE_\w+_COMPILER|"
        r"compiler cannot create executables|no acceptable C compiler|could not find `?(?:protoc|libclang|cmake|"
        r"openssl)",
        r"installation of package .* had non-zero exit status|failed to build gem native ext|mkmf\.rb can't find",
        r"(?:cannot|can't|could not|unable to) find (?:autoconf|automake|autoreconf|libtool|cmake|make|gcc|g\+\+|"
        r"nvcc)\b",
        r"is [`'\"]\w+[`'\"] not installed\?|could not find directory of openssl installation|"
        r"system library `\S+` required|unable to find libclang",
    ),
    sign(
        "file-not-found",
        r"^exec(?: container process)?:? \S+: no such file or directory|fork/exec \S+: no such file",
        r"^(?:/\S+/)?(?:ba|da|a)?sh: (?:\d+: |line \d+: )*\.{0,2}/\S+: (?:not found|No such file or directory)$",
        r"bad interpreter: |required file not found",
        r"exec: \"\.{0,2}/\S+\": stat \S+: no such file",
        summary="a program is not there, or not what its first line asks for",
        remedy="is the path right? For a script: does the image have the interpreter of its first line, and has the "
        "file Unix line endings (`\\n`, not `\\r\\n`)?",
    ),
    sign(
        "program-not-found",
        r"error while loading shared libraries|^(?:\S+)?(?:ImportError|OSError): \S+\.so\S*: cannot open shared",
        r"^Error loading shared library|symbol not found$",
        summary="a shared library is not installed in the image",
        remedy="install the package that has it in an earlier instruction, in the stage where the program runs",
    ),
    sign(
        "program-not-found",
        r"\benv: [‘'\"]?[\w.+-]+[’'\"]?: No such file|FileNotFoundError: .*: '[a-z][a-z0-9+-]*'$",
    ),
    sign(
        "file-not-found",
        r"not in gzip format|does not look like a tar archive|End-of-central-directory signature not found",
        r"File format not recognized|not a (?:zip|gzip|bzip2) file|is not a zip archive|not a Debian format archive",
        r"tar: (?:Child returned status|Error is not recoverable)|tar: (?:short read|invalid magic|invalid tar)",
        summary="what should be an archive is none, or only a part of it",
        remedy="a download can give a page that says why it failed: ask for errors (`curl --fail`), check its hash, "
        "and look whether the address still serves the file",
    ),
    sign(
        "file-not-found",
        r"forbidden path outside the build context|must be within build context",
        summary="a file outside of the build context",
        remedy="copy it into the context, or build from a folder further up (`--file` names the Dockerfile)",
        by="builder",
    ),
    sign(
        "file-not-found",
        r"not a git repository|unable to detect version .*git|setuptools-scm was unable to detect version",
        summary="the history (`.git`) is not in the image",
        remedy="hand the version over by an argument, or let the build context have `.git`",
    ),
    sign(
        "file-not-found",
        r"not found: not found|failed to (?:compute cache key|calculate checksum): .*(?:not found|no such)",
        r"no such file or directory|file does not exist|(?-i:\bENOENT\b)",
        r"No such file|can't open '|cannot find the file|could not find a required file|unable to prepare context",
        r"file not found in build context|no source files were specified|excluded by \.dockerignore",
        r"returned error: 404|ERROR 404|HTTP/[\d.]+ 404|404:? Not Found|server returned error: .*404",
        r"^\"[^\"]+\": not found$|'(?=[^']*[/.])[^\s']{2,200}' (?:as it )?does not exist|(?:not found at|"
        r"from): file://\S+|"
        r"response status 404|GET returned 404|status code 404|response code 404",
        r"HTTP Error 404|404 Client Error|no items matching glob|No rule to make target|no makefile found",
        r"(?:could not|couldn't|cannot|can't|unable to|failed to) (?:find|locate|open|read|load)"
        r"(?: (?!module|package|gem)\w+)? [`'\"]?" + _FILE,
        r"(?<!executable )(?:file|directory|folder|path|manifest|POM)\b[^:]{0,120}(?:was |is )?(?:not found|"
        r"does(?:n't| not) exist)\b",
        r"[`'\" ]/\S+ does not exist|no file/folder found|does not contain any element|could not locate Gemfile",
        r"Cannot find module '\.{0,2}/|can't resolve '\.{1,2}/|could not resolve \"\.{1,2}/|"
        r"requires a project to execute",
        r"error MSB(?:1003|1009|3202)|ERR_PNPM_NO_PKG_MANIFEST|no Go files in|cannot find main module|"
        r"go\.mod file not found|could not find a (?:pyproject|composer)|NETSDK1004",
        r"EnvironmentFileNotFound|no such package '@|main class org\.gradle\.wrapper",
    ),
    sign(
        "program-not-found",
        r"(?-i:ModuleNotFoundError: )|No module named|Cannot find (?:module|package) '|there is no package called",
        r"module not found: .*can't resolve|(?:could not|failed to) resolve (?:import )?[\"'][@\w]|"
        r"can't find crate for",
        r"find gem .*GemNotFound|(?-i:LoadError).*cannot load such file|Failed to resolve loader",
        summary="a library is not installed in the image",
        remedy="install it in an earlier instruction, or lock it with the rest",
    ),
    sign(
        "program-not-found",
        r"^(?:[\w./+-]+: )?(?:\d+: |line \d+: )*[^\s:=]+: not found\s*$|: (?:line \d+: )?(?:command )?not found\s*$",
        r"executable file(?: `\S+`)? not found|make(?:\[\d+\])?: \S+: (?:No such file|command not found)",
        r"(?:exit (?:code|status):?|non-zero code:) 127\b|\bError 127\b|spawn \S+ ENOENT|no interpreter found for",
        r"JAVA_HOME (?:environment variable )?is not (?:set|defined)|SDK location not found|"
        r"toolchain .{0,60}not installed",
        r"cannot run \w+: No such file|method driver \S+ could not be found|MSB4236|NETSDK1147|"
        r"unzip/7z commands are both",
        r"neither of them seems installed|do not seem to be installed, but one of them is required",
    ),
    sign(
        "permission",
        r"unable to find (?:user|group)|no matching entries in (?:passwd|group)|unknown user|invalid user:",
        r"(?:looking up|determining) .*(?:user|group|UID|GID).*(?:unknown|no(?:t found| such| matching))",
        r"(?:can't|could not|cannot) find uid for user|(?:user|group) '\S+' does not exist|chown: invalid (?:user|"
        r"group)",
        summary="a user or group does not exist in the image",
        remedy="make it in an earlier instruction (`RUN useradd ...`), or name it by number",
    ),
    sign(
        "engine",
        r"unlazy requires|failed to prepare extraction snapshot|parent snapshot .* does not exist|missing content",
        r"failed to get layer|layer does not exist|failed to prepare \w+ as \w+: |unknown parent image ID",
        summary="the builder's cache is damaged",
        remedy="empty it (`docker builder prune`, `podman system prune`) and build again",
        by="builder",
    ),
    sign(
        "engine",
        r"potentially insufficient UIDs or GIDs|newuidmap|newgidmap|lchown \S+: invalid argument|"
        r"cannot set up namespace",
        summary="the engine without root has too few user ids",
        remedy="give the user a range in `/etc/subuid` and `/etc/subgid` (`podman system migrate` after it)",
    ),
    sign(
        "engine",
        r"OCI runtime (?:create|exec) failed|failed to create shim task|error mounting|creating container:",
        r"runc run failed|unable to start container process|error during container init|container_linux\.go",
        r"cannot connect to the docker daemon|frontend grpc server closed|max depth exceeded|error during connect",
        r"seccomp|switching to sandbox user|failed to initialize alpm library|error creating overlay mount",
        r"component is missing or broken|not supported for the docker driver|does not (?:currently )?support exporting",
        r"runc did not terminate|rpc error: code = Unavailable|error reading from server: EOF|no active session|"
        r"docker_engine: ",
        r"failed to (?:create endpoint|mount|export image|register layer)|unshare: |cannot clone: ",
    ),
    sign(
        "permission",
        r"permission denied|operation not permitted|are you root\?|(?-i:\b(?:EACCES|EPERM)\b)|read-only file system",
        r"must be run as root|(?:exit (?:code|status):?|non-zero code:) 126\b|dubious ownership|you must be root",
        r"access to the path .* is denied|need to be root|requires superuser",
    ),
    sign(
        "network",
        r"failed to (?:download|fetch|synchronize cache|retrieve)|download(?:ing)? (?:of \S+ )?(?:failed|error)|"
        r"all mirrors were tried",
        r"(?:could not|couldn't|unable to|cannot|can't) (?:download|fetch|transfer|retrieve|load the service index)",
        r"no valid OpenPGP data found|one of the configured repositories failed|metadata for repo|"
        r"trouble with your network connection",
        summary="something could not be fetched",
        remedy="is its server there still (the archive of an old release moves), and can the build reach it?",
    ),
    sign(
        "compiler",
        r"make(?:\[\d+\])?: \*\*\* (?!.*(?:No rule to make|No targets))|ninja: build stopped|(?-i:^ERROR in \S)|"
        r"Failed to compile",
        r"Module build failed|error during build|^✘ \[ERROR\]|build did NOT complete successfully",
    ),
    sign(
        "command-failed",
        r"externally-managed-environment",
        summary="pip may not change the distribution's own Python",
        remedy="use a virtual environment",
    ),
    sign(
        "command-failed",
        r"ERR_OSSL_EVP_UNSUPPORTED|digital envelope routines",
        summary="the tool asks OpenSSL 3 for a hash that it no longer has",
        remedy="take a newer webpack, or the version of Node (16) that the project was made with",
    ),
    sign(
        "command-failed",
        r"segmentation fault|(?:exit (?:code|status):?|non-zero code:) 139\b",
        summary="a program crashed",
        remedy="often the image is for another platform, or its emulation is at fault (`--platform`)",
    ),
)
