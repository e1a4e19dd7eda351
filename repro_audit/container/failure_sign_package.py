"""Signs that packages are not to be had, or not in these versions, in the words of each package manager."""

from __future__ import annotations

from repro_audit.container.failure_sign import Sign, sign

PACKAGES: tuple[Sign, ...] = (
    sign(
        "package-version-gone",
        r"THESE PACKAGES DO NOT MATCH THE HASHES|(?-i:\bEINTEGRITY\b)|checksum mismatch|SHA256 mismatch|"
        r"hash mismatch for",
        r"computed checksum did NOT match|failed checksum|checksum for .* changed|digest mismatch",
        r"not found in known hashes|integrity check failed|did(?:n't| not) match the expected (?:hash|checksum|sha)",
        r"checksum was \S+ but wanted|doesn't match the expected checksum|TARBALL_INTEGRITY|invalid checksum",
        summary="what was fetched is not what was locked",
        remedy="find out why it changed; then lock anew, or fetch it from where it cannot change",
    ),
    sign(
        "file-not-found",
        r"can only install with an existing package-lock|ERR_PNPM_NO_LOCKFILE",
        r"(?:poetry|uv|Pipfile)\.lock (?:was )?not found|Unable to find lockfile",
        r"lock ?file .{0,60}(?:is missing|does not exist)",
        summary="the lock file is missing",
        remedy="write it, commit it, and copy it into the image before the install",
    ),
    sign(
        "program-not-found",
        r"requires ext-\S+ .*missing from your system|requested PHP extension \S+ is missing",
        summary="an extension of PHP is not installed in the image",
        remedy="install it in an earlier instruction (`docker-php-ext-install`, or the package that has it)",
    ),
    sign(
        "package-version-gone",
        r"package\.json and package-lock\.json .* are in sync|(?:ERR_PNPM_|_)OUTDATED_LOCKFILE",
        r"ERR_PNPM_(?:BROKEN_LOCKFILE|LOCKFILE_\w+)|pnpm-lock\.yaml .*not compatible",
        r"lock ?file (?:needs to be updated|would have been modified)|lock ?file .* needs to be updated",
        r"pyproject\.toml changed significantly|lock ?file .* (?:not|isn't|out) (?:up[- ]to[- ]date|of date)$",
        r"lock file does not contain a compatible set|not present in the lock file|Pipfile\.lock \(\S+\) out of date",
        r"missing go\.sum entry|updates to go\.(?:mod|sum) needed|inconsistent vendoring|error NU1004",
        r"lock ?file version .{0,4}\d.{0,4} (?:was found|requires)|failed to parse lock ?file|"
        r"poetry\.lock .*not compatible",
        r"deployment mode after changing|gemspecs .{0,60}changed|your lockfile (?:is|does)|"
        r"lockfile .* can't be updated",
        summary="the lock file does not fit what it locks",
        remedy="write it anew (`npm install`, `poetry lock`, ...) with the version in use in the image, and commit it",
    ),
    sign(
        "package-version-gone",
        r"requires go >=|invalid go version '|toolchain not available|module .{0,80} requires Go \d",
        r"requires? rustc \d|rustc \S+ is not supported by|feature .edition\d{4}. is required|"
        r"(?-i:package requires) rust",
        r"^(?!.*\bwarn)(?:.*(?:the engine \"\w+\" is incompatible|ERR_PNPM_UNSUPPORTED_ENGINE|Unsupported engine)|"
        r".*(?:Node(?:\.js)?|npm) version .{0,30}(?:is )?required|.*requires (?:a minimum |at least |a )?Node)",
        r"requires a different Python|Python version .{0,40}(?:is )?not (?:supported|allowed)|supported Python range",
        r"Python \d[\d.]* or (?:newer|later|higher|above) is required|requires Python [\"'<>=~!]|"
        r"requires Python \d\S* or|Python requirement .{0,40}not compatible",
        r"your (?:Ruby|php) version (?:is|\()|requires (?:Ruby|rubygems) version",
        r"does not support targeting \.NET|compatible framework version|compatible \.NET SDK was not found|NETSDK1045",
        r"UnsupportedClassVersionError|class file major version|class file has wrong version|Gradle requires JVM",
        r"invalid (?:target|source) release|release version \d+ not supported|could not determine java version",
        r"more recent version of the Java Runtime|Minimum supported Gradle version|no matching toolchains? found",
        r"version [`'\"]?(?:GLIBC|GLIBCXX|CXXABI)_\S+ not found|Composer detected issues in your platform",
        r"Cannot find matching keyid|project is configured to use (?:yarn|pnpm|npm)",
        r"defines \"packageManager\"|unsupported Bundler version|You must use Bundler \d",
        summary="a language, compiler or tool of another version is needed",
        remedy="take a base image with the version that it names, or a version of the package that fits the image's",
    ),
    # conda says `does not exist` of a name without a version
    sign(
        "package-not-found",
        r"nothing provides requested [^\s=<>*]+$|(?:─ |^)\w[\w.-]*(?: =?\*(?: \*)?)? does not exist \(perhaps a typo",
        r"error NU1101|No packages exist with this id",
    ),
    sign(
        "package-version-gone",
        r"ResolutionImpossible|(?-i:\bERESOLVE\b)|have unmet dependencies|held broken packages",
        r"conflicting (?:dependencies|requirements)|are incompatible\.?$|incompatible versions|error NU1107|"
        r"error NU1605",
        r"but \S+ is to be installed|LibMambaUnsatisfiableError|UnsatisfiableError|could not solve for environment",
        r"version solving failed|Your requirements could not be resolved|No solution found when resolving",
        r"could not find compatible versions|unable to resolve dependency tree|dependency resolution failed|"
        r"error NU1202|"
        r"problem: conflicting requests",
        summary="versions that do not fit together",
        remedy="resolve them together again and lock the result; one pin alone does not keep the others from moving",
    ),
    # pip says so of a package that nobody has, whatever version was asked for
    sign("package-not-found", r"from versions: (?:none)?\)"),
    sign(
        "package-version-gone",
        r": Version '.*' for '.*' was not found",  # BuildKit may show the E before it as a piece of its own
        r"from versions: [^)\s]|No matching distribution found for \S+\s*(?:[=<>!~]=?)",
        r"No matching version found for|\bnotarget\b|(?-i:\bETARGET\b)|ERR_PNPM_NO_MATCHING_VERSION",
        r"Couldn't find any versions for|No candidates found|Unable to find installation candidates",
        r"breaks: \S+\[\S+[=<>~]",
        r"(?:Unable to find a match|No match for argument): \S+-\d|No package \S+-\d\S* available",
        r"failed to select a version for|candidate versions found which didn't match|with version `?[=~^]",
        r"could not find a valid gem '.*' \((?!>= 0\))|can't find gem \S+ \((?!>= 0(?:\.a)?\))|Could not find '\S+' \(",
        r"Could not find \S+-\d[\w.]* in (?:any of the sources|locally|cached gems)|Could not find gem '\S+ \([=~<>]",
        r"unknown revision|no matching versions for query|invalid version: ",
        r"proxy\.golang\.org.*: (?:404|410)|error NU110[23]|Unable to find package \S+ with version",
        r"Failed to fetch \S+\.deb\s+404|404\s+Not Found \[IP",
        r"Status code: 404 for |failed retrieving file .* 404|Failed to download .*\b404\b.*(?:repomd|metalink|\.rpm)",
        r"HTTP Error 404.*(?:repomd|metalink|\.rpm)|(?:repomd|metalink|\.rpm)\S*.{0,40}\b404\b|No more mirrors to try",
        r"Plugin \[id: .*version: .*was not found|Requirement\.parse\('[^')]*[=<>]|unresolved dependency: |"
        r"sbt\S* not found",
        r"Release file .* (?:expired|is not valid)|Valid metadata not found at|repomd\.xml' not found on medium",
        r"Ignoring http\S+: No such file|APKINDEX\S*: (?:remote server returned error|not found)",
        r"nothing provides .*[=<>]|nothing provides (?:requested )?\S+ \d",
        r"package .*[=<>].* (?:is not available|not found)|\S+ ?[=<>]=?\S+.* does not exist \(perhaps",
        r"because .* depends on \S+==\S+ and there is no version|there (?:is|are) no versions? of",
        r"Could not find artifact \S+|Could not find [\w.-]+:[\w.-]+:\S+\.?$|Non-resolvable parent POM|"
        r"Failure to find \S+:",
        r"was not found in \S+ during a previous attempt|could not find a matching version of package",
        r"Remote branch \S+ not found|pathspec '.*' did not match any|reference is not a tree|couldn't find remote ref",
    ),
    sign(
        "package-not-found",
        r"E: Unable to locate package",
        r"has no installation candidate|is not available, but is referred to",
        r"from versions: none|No matching distribution found",
        r"\(no such package\)|^\s*\S+ \(missing\):$",
        r"Unable to find a match|No package .* available|No match for argument|No provider of '|"
        r"package '\S+' not found\.$",
        r"PackagesNotFoundError|ResolvePackageNotFound|perhaps a typo or a missing channel|nothing provides ",
        r"npm (?:ERR!|error) (?:code )?(?:E?404)|ERR_PNPM_FETCH_404|Couldn't find package|Package not found",
        r"could not find a valid gem|Could not find gem|could not find package \S|UnavailableInvalidChannel",
        r"Plugin \[id: .*was not found|could not find suitable distribution|No results matching query were found",
        r"references NuGet package\(s\) that are missing|cannot find package \"|Failed to find package '|"
        r"No package with name|unknown package:? |Package '?\S+'? not found|"
        r"package \S+ is not in (?:GOROOT|std)|no matching package named|"
        r"no required module provides package|cannot find module providing",
        r"Couldn't find any package by|was not found in the package registry|Error: Nothing to do$",
        r"package .\S+. is not available|dependenc(?:y|ies) .{0,200} (?:is|are) not available",
        r"target not found: |You must put some 'deb-src'|No plugin found for prefix|is not available for Bioconductor",
    ),
    # what resolvers say last, where nothing before told why
    sign(
        "package-version-gone",
        r"Could not resolve (?:all )?(?:dependencies|files|artifacts)|could not be resolved: |artifacts? (?:is|"
        r"are) missing",
    ),
)
