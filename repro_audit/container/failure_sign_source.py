"""Signs that something could not be fetched: the network, certificates, images, access."""

from __future__ import annotations

from repro_audit.container.failure_sign import Sign, sign

SOURCES: tuple[Sign, ...] = (
    sign(
        "package-version-gone",
        r"mirrorlist\.centos\.org",
        r"No URLs in mirrorlist",
        r"Cannot find a valid baseurl for repo",
        r"does (?:not|no longer) have a Release file|no longer has a Release file",
        r"does not contain a Release file",
        summary="the archive of this release of the distribution has moved: its support has ended",
        remedy="take a release that is supported, or point its sources at the archive of old releases",
    ),
    sign(
        "network",
        r"x509: ",
        r"certificate[ _]verif(?:y|ication)[ _]failed|SSL certificate problem|SSLCertVerificationError",
        r"self[- ]signed certificate",
        r"(?-i:\b(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(?:GET|VERIFY)\w+|"
        r"CERT_HAS_EXPIRED))",
        r"unable to get local issuer certificate|PKIX path building failed",
        r"certificate .{0,80}(?:has expired|is not trusted|have a known issuer)",
        r"No system certificates available",
        r"cannot verify \S+ certificate|SSL_cert|server certificate verification failed",
        r"server gave HTTP response to HTTPS client|first record does not look like a TLS handshake",
        r"HTTP request to an HTTPS server",
        summary="a certificate is not trusted",
        remedy="install `ca-certificates` in the image; give it, or the engine for a registry, your own proxy's or "
        "registry's certificate",
    ),
    sign(
        "network",
        r"over its data quota|bandwidth limit exceeded|toomanyrequests|429 Too Many|too many requests|"
        r"pull rate limit|rate limit exceeded",
        summary="the server lets nobody ask so often",
        remedy="log in, wait, or take a mirror",
    ),
    sign(
        "network",
        r"timeout was reached|operation too slow|connect(?:ion)? timeout|keyserver (?:receive failed|timed out)",
        r"temporary failure (?:in name resolution|resolving)",
        r"(?:could not|couldn't|unable to|failed to|error) resolv(?:e|ing) (?:host|proxy|address)|unknown ?host|"
        r"dns error",
        r"unable to resolve host address|could not resolve '",
        r"bad address '|name or service not known|nodename nor servname",
        r"no such host|network is (?:unreachable|down)|no route to host",
        r"Could not transfer artifact (?!.*(?:status code: 4|Not Found|Forbidden|Unauthorized|checksum))",
        r"https?://\S+:\s+Permission denied$|Error downloading \[(?!.*\b(?:404|410)\b)",
        r"connection (?:refused|timed out|reset|aborted|closed by|failed)",
        r"(?:operation|request|read|download|attempt|lookup) timed out|i/o timeout|context deadline exceeded",
        r"failed to connect|could(?:n't| not) connect|unable to connect|cannot connect to proxy|error sending request",
        r"empty reply from server|recv failure|SSL_ERROR_SYSCALL|gnutls_handshake|GnuTLS recv error|SSL_connect|"
        r"SSLError",
        r"curl: \((?:5|6|7|16|18|28|35|52|55|56|92|95)\)|Curl error \((?:5|6|7|28|35|52|56|92)\)|"
        r"was not closed cleanly",
        r"(?:unexpected|invalid) (?:disconnect|index-pack)|transfer closed with|IncompleteRead|ChunkedEncodingError",
        r"remote end closed connection|socket hang up|network timeout|connection broken|client connection lost|GOAWAY",
        r"unable to load the service index|could not reach host|no such name \(|wget: (?:bad address|"
        r"download timed out)",
        r"client\.timeout exceeded|net/http: request canceled|ERR_PNPM_META_FETCH_FAIL|error NU1301|DNS lookup error",
        r"proxy authentication required|\b407\b.{0,20}proxy|HTTP code 407|tunneling socket|DNS: transient error",
        r"git protocol on port 9418 is no longer supported|failed to (?:do request|copy): .*\bEOF$",
        r"TLS handshake timeout|remote end hung up unexpectedly|early EOF|RPC failed; ",
        r"(?-i:NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ConnectionResetError|ProtocolError\()",
        r"(?-i:\b(?:EAI_AGAIN|ENOTFOUND|ENETUNREACH|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ESOCKETTIMEDOUT|"
        r"ERR_SOCKET_TIMEOUT|EHOSTUNREACH)\b)",
        r"Failed to establish a new connection|CondaHTTPError: HTTP 000|SSL: UNEXPECTED_EOF",
        r"temporary error \(try again later\)|server misbehaving|spurious network error",
        r"(?:HTTP error|returned error:|status(?: code)?:?|Server Error|HTTP|(?-i:ERROR)) 5\d\d\b",
        r"\b50[0234] (?:Server Error|Bad Gate)",
        r"Bad Gateway|Service (?:Temporarily )?Unavailable|Gateway Time-?out",
        r"stream error: stream ID|network bridge not found|unexpected status from \w+ request .*: (?:400|5\d\d)",
        r"Hash Sum mismatch|File has unexpected size|Mirror sync in progress",
    ),
    sign("network", r"\bunexpected EOF\b|(?<!from server): EOF$|failed to copy: |httpReadSeeker", by="builder"),
    sign(
        "image-not-found",
        r"short-name .* did not resolve|short-name resolution enforced",
        summary="the base image is named without its registry, and the engine knows none to look in",
        remedy="write the whole name (`docker.io/library/python:3.12-slim`), or set `unqualified-search-registries`",
        by="builder",
    ),
    sign(
        "image-not-found",
        r"manifest unknown|manifest for \S+ not found",
        r"failed to resolve source metadata for .*: not found",
        r"repository \S+ not found|name unknown",
        r"reading manifest .* (?:not found|unknown)",
        r"failed to (?:load metadata|resolve reference|create LLB definition:) .*not found",
        r"initializing source docker://.*not found",
        r"^\S+[:@][\w.-]+(?::[0-9a-f]{64})?: not found$",
        r"no such (?:image|manifest)",
        by="builder",
    ),
    sign(
        "image-not-found",
        r"manifest\.v1\+prettyjson|schema ?(?:version )?1\b.{0,60}(?:no longer|deprecated|removed|not supported)",
        summary="the base image is in a format that engines do not read any more",
        remedy="choose a newer tag, or push the image anew with a newer engine",
        by="builder",
    ),
    sign(
        "authentication",
        r"NO_PUBKEY|EXPKEYSIG|signatures couldn't be verified|repository .* is not signed|UNTRUSTED signature",
        r"public key is not available|Public key for .* is not installed|GPG (?:check FAILED|error)",
        summary="the signature of a package source cannot be checked",
        remedy="install the source's current key, from a file with a known hash; a key of an old image has expired",
    ),
    sign(
        "authentication",
        r"unauthorized|authentication required|authentication failed",
        r"access (?:to the resource is )?(?:denied|forbidden)",
        r"insufficient_scope|could not read (?:username|password)|terminal prompts disabled",
        r"permission denied \(publickey|host key verification failed|no basic auth credentials",
        r"(?:\berror:?|status(?: code)?:?|HTTP(?:/[\d.]+)?|response(?: code)?:?|code(?: is)?:?|got) 40[13]\b(?![:.]\d)",
        r"\b40[13]:? +(?:client error|forbidden|unauthorized)",
        r"(?-i:\bE40[13]\b)|bad credentials|invalid credentials|invalid username or password|repository not found\.?$",
        r"fatal: repository '.*' not found|error getting credentials|could not authenticate|incorrect username",
        r"secret .*not found|secret required but|no secret with id",
    ),
)
