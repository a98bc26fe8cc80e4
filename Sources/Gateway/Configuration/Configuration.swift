package import Dialects

/// All that `gateway.conf` says, checked: every reference resolves, every number is in range.
///
/// A value; it is swapped whole, never edited in place. Names are those of the file, in camel case.
package struct Configuration: Sendable, Equatable {
    package var server = Server()
    /// `nil`: the embedded store, one replica.
    package var redis: Redis?
    package var admin = Admin()
    package var auth = AuthMode.required
    package var clients: [Client] = []
    package var limits: [Limit] = []
    package var upstreams: [Upstream] = []
    package var routes: [Route] = []
    package var cache = Cache()
    package var prices: [Price] = []
    /// What is allowed but hardly meant, in sentences.
    package var warnings: [String] = []

    package init() {}
}

/// Who may call without a key.
package enum AuthMode: String, Sendable, Equatable, CaseIterable {
    /// 401 without a known key.
    case required
    /// No key is anonymous, an unknown key is 401.
    case optional
    /// Keys are not looked at.
    case none
}

extension Configuration {
    package struct Server: Sendable, Equatable {
        package var listen = ListenAddress.tcp(host: "0.0.0.0", port: 8080)
        /// Empty: scheme and host of the request.
        package var publicURL = ""
        /// Event loops; 0 is one per core.
        package var threads = 0
        /// Bytes.
        package var maxBody = 10 << 20
        /// Bytes.
        package var maxHeader = 32 << 10
        package var headerTimeout = Duration.seconds(10)
        package var idleTimeout = Duration.seconds(75)
        package var clientTimeout = Duration.seconds(60)
        package var drainTimeout = Duration.seconds(600)
        package var trustedProxies: [AddressRange] = []
        package init() {}
    }

    package struct Redis: Sendable, Equatable {
        package enum FailurePolicy: String, Sendable, Equatable, CaseIterable { case local, open, closed }
        /// As written, credentials included: never logged.
        package var url = "redis://127.0.0.1:6379/0"
        package var prefix = "gw"
        /// Paths of PEM files; empty: none.
        package var ca = ""
        package var certificate = ""
        package var key = ""
        package var timeout = Duration.milliseconds(50)
        package var onFailure = FailurePolicy.local
        package init() {}
    }

    package struct Admin: Sendable, Equatable {
        package enum MetricsAccess: String, Sendable, Equatable, CaseIterable { case token, open }
        package var token = ""
        /// An address of their own for `/admin` and `/metrics`.
        package var listen: ListenAddress?
        package var metrics = MetricsAccess.token
        package init() {}
    }

    package struct Client: Sendable, Equatable {
        package var name = ""
        /// SHA-256 of the key, 32 bytes.
        package var keyDigest: [UInt8] = []
        package var weight = 1
        /// Best and default urgency, 0 highest … 7 lowest.
        package var priority = 3
        /// Indices into `Configuration.limits`; `nil`: the route's hold.
        package var limits: [Int]?
        package var mayNameUsers = false
        package init() {}
    }

    package struct Limit: Sendable, Equatable {
        /// What tells one caller of a limit from another.
        package enum Identity: Sendable, Equatable, Hashable {
            case ip, client, user, route, upstream, model, global
            /// Lower-case field name.
            case header(String)
        }
        package var name = ""
        package var by: [Identity] = [.ip]
        package var rate = Rate(count: 1, window: .seconds(1))
        package var burst = 1
        package var maxKeys = 1_000_000
        package init() {}
    }

    package struct Upstream: Sendable, Equatable {
        package typealias Dialect = Dialects.Dialect
        package var name = ""
        package var dialect = Dialect.http
        /// Scheme, host, port and a path prefix without the final slash.
        package var url = ""
        /// Never logged.
        package var key = ""
        /// The environment's variable that the key is read from, for a message.
        package var keyVariable: String?
        package var ca = ""
        package var identitySecret = ""
        package var connectTimeout = Duration.seconds(5)
        package var firstByteTimeout = Duration.seconds(600)
        package var idleTimeout = Duration.seconds(300)
        package var timeout: Duration?
        package var maxConnections = 256
        package var retries = 2
        /// Bytes.
        package var replayBody = 1 << 20
        package var breaker = Breaker()
        package var queue = Queue()
        package var quotas: [Quota] = []
        package init() {}
    }

    package struct Breaker: Sendable, Equatable {
        package var failures = 20
        package var window = Duration.seconds(10)
        package var openFor = Duration.seconds(5)
        package init() {}
    }

    package struct Queue: Sendable, Equatable {
        package enum FairBy: String, Sendable, Equatable, CaseIterable { case user, ip, none }
        package var maxWaiting = 10_000
        /// Bytes of kept bodies, per replica.
        package var maxWaitingBytes = 256 << 20
        package var maxWait = Duration.seconds(60)
        package var fairBy = FairBy.user
        /// Zero: none.
        package var heartbeat = Duration.zero
        package init() {}
    }

    package struct Quota: Sendable, Equatable {
        package enum Scope: String, Sendable, Equatable, CaseIterable { case model, upstream }
        package enum Batch: String, Sendable, Equatable, CaseIterable { case items, call }
        /// Which tokens of a call are counted.
        package enum TokenCount: String, Sendable, Equatable, CaseIterable { case input, output, total }
        package enum Unit: Sendable, Equatable { case requests, tokens(TokenCount) }
        package var name = ""
        package var unit = Unit.requests
        /// In a window, headroom taken off; at least 1.
        package var limit = 1
        /// In a window, for all who use the quota.
        package var whole = 1
        package var per = Duration.seconds(60)
        /// A calendar window, a day long. `nil`: any window of `per`.
        package var reset: DailyReset?
        package var scope = Scope.model
        /// Globs; empty: all.
        package var models: [String] = []
        /// Names; empty: all.
        package var methods: [String] = []
        package var batch = Batch.items
        /// How many may leave at once when idle: 1…`limit`.
        package var burst = 1
        package init() {}

        package var countsTokens: Bool { unit != .requests }

        /// The part of a limit that is left to callers through here: what an upstream states is for all who use it.
        package func withoutHeadroom(_ stated: Int) -> Int {
            whole > 0 ? max(1, Int(Double(stated) * Double(limit) / Double(whole))) : stated
        }
    }

    package struct Route: Sendable, Equatable {
        package var name = ""
        package var path = PathPattern()
        /// Upper case; empty: all.
        package var methods: [String] = []
        /// Index into `Configuration.upstreams`.
        package var upstream = 0
        package var auth = AuthMode.required
        /// Indices into `Configuration.limits`.
        package var limits: [Int] = []
        package var stripPrefix = ""
        /// Bytes.
        package var maxBody = 10 << 20
        package var timeout: Duration?
        package var cache: RouteCache?
        package init() {}
    }

    package struct RouteCache: Sendable, Equatable {
        package enum Scope: String, Sendable, Equatable, CaseIterable { case client, shared }
        package var ttl = Duration.seconds(300)
        /// Empty: as `CacheRules` has it for the dialect.
        package var methods: [String] = []
        package var staleWhileRevalidate = Duration.zero
        package var staleIfError = Duration.zero
        package var scope = Scope.client
        package var chargeLimits = true
        package init() {}
    }

    package struct Cache: Sendable, Equatable {
        /// Bytes.
        package var memory = 64 << 20
        /// Bytes.
        package var maxEntry = 1 << 20
        /// A Redis of its own for cached answers; `nil`: `[redis]`.
        package var redis: String?
        package init() {}
    }

    package struct Price: Sendable, Equatable {
        package var model = ""
        /// Per 1,000,000 tokens.
        package var input = 0.0
        package var output = 0.0
        package init() {}
    }
}

/// So many in a window.
package struct Rate: Sendable, Equatable {
    package var count: Int
    package var window: Duration
    package init(count: Int, window: Duration) {
        self.count = count
        self.window = window
    }
}
