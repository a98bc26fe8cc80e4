import Foundation
import Gateway

/// A right configuration, as short as can be, to which tests add.
let soundConfiguration = """
    [[limit]]
    name = "per-ip"
    by = "ip"
    rate = "10/minute"

    [[upstream]]
    name = "gemini"
    dialect = "gemini"
    url = "https://generativelanguage.googleapis.com/"
    key = "K"

    [[route]]
    path = "/v1/**"
    upstream = "gemini"

    """

/// An upstream "u" alone, to which tests add.
func upstreamConfiguration(dialect: String) -> String {
    """
    [[upstream]]
    name = "u"
    dialect = "\(dialect)"
    url = "https://host"
    key = "K"

    """
}

/// Every key that this version takes, each with a value that is not its default.
let completeConfiguration = """
    [server]
    listen = "[::1]:9000"
    public_url = "https://gateway.example/"
    threads = 2
    max_body = "1MiB"
    max_header = "16KiB"
    header_timeout = "1s"
    idle_timeout = "2s"
    client_timeout = "3s"
    drain_timeout = "4s"
    trusted_proxies = ["10.0.0.0/8", "::1"]
    [redis]
    url = "rediss://user:password@redis:6380/1"
    prefix = "x"
    ca = "/ca.pem"
    certificate = "/c.pem"
    key = "/k.pem"
    timeout = "75ms"
    on_failure = "closed"
    [admin]
    token = "t"
    listen = "127.0.0.1:9090"
    metrics = "open"
    [auth]
    mode = "optional"
    [[client]]
    name = "backend"
    key = "K"
    weight = 4
    priority = 2
    limits = ["teams"]
    may_name_users = true
    [[client]]
    name = "hashed"
    key_sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    [[limit]]
    name = "teams"
    by = ["header:X-Team", "route"]
    rate = "600/10s"
    burst = 20
    max_keys = 1000
    [[upstream]]
    name = "gemini"
    dialect = "gemini"
    url = "http://[::1]:8080/prefix/"
    key = "${GEMINI_API_KEY}"
    ca = "/ca.pem"
    connect_timeout = "1s"
    first_byte_timeout = "2s"
    idle_timeout = "3s"
    timeout = "4s"
    max_connections = 5
    retries = 1
    replay_body = "2MiB"
    breaker = { failures = 3, window = "7s", open_for = "8s" }
    [upstream.queue]
    max_waiting = 9
    max_waiting_bytes = "10KiB"
    max_wait = "11s"
    fair_by = "ip"
    heartbeat = "12s"
    [[upstream.quota]]
    name = "rpm"
    requests = 100
    per = "1m"
    scope = "upstream"
    models = ["gemini-2.5-*"]
    methods = ["generateContent"]
    batch = "call"
    burst = 7
    headroom = "12.5%"
    [[upstream]]
    name = "chat"
    url = "http://chat"
    identity_secret = "secret"
    [[route]]
    name = "main"
    path = "/{v1,v1beta}/**"
    methods = ["get", "POST"]
    upstream = "gemini"
    auth = "none"
    limits = ["teams"]
    strip_prefix = "/v1"
    max_body = "100MiB"
    timeout = "5m"
    cache = { ttl = "1m", methods = ["embedContent"], stale_while_revalidate = "2s", stale_if_error = "3s", scope = "shared", charge_limits = false }
    websocket = false
    [cache]
    memory = "1GiB"
    max_entry = "512B"
    redis = "unix:///run/redis.sock"
    [[price]]
    model = "gemini-2.5-flash"
    input = 0.3
    output = 2
    """

func readConfiguration(
    _ text: String,
    _ environment: [String: String] = [:]
) throws(ConfigurationErrors) -> Configuration {
    try ConfigurationReader(text: text, environment: environment, isReadable: { $0 != "/absent.pem" }).read()
}

/// Each mistake of a text in a line, after the name `f`.
func mistakes(_ text: String, _ environment: [String: String] = [:]) -> [String] {
    do {
        _ = try readConfiguration(text, environment)
        return []
    } catch {
        return error.errors.map { $0.rendered(file: "f") }
    }
}

/// A file of the repository, wherever the tests are built.
func repositoryFile(_ path: String) throws -> String {
    let tests = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
    let root = tests.deletingLastPathComponent().deletingLastPathComponent()
    return try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
}
