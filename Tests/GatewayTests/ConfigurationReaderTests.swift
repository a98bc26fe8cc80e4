import Dialects
import Foundation
import Gateway
import Testing

@Suite struct ConfigurationReaderTests {
    @Test("What the file leaves out has the documented default")
    func defaults() throws {
        let configuration = try readConfiguration(soundConfiguration)
        #expect(configuration.server == Configuration.Server())
        #expect(configuration.redis == nil)
        #expect(configuration.admin == Configuration.Admin())
        #expect(configuration.auth == .required)
        #expect(configuration.cache == Configuration.Cache())
        #expect(configuration.limits[0].burst == 10)
        #expect(configuration.limits[0].maxKeys == 1_000_000)
        let upstream = configuration.upstreams[0]
        #expect(upstream.url == "https://generativelanguage.googleapis.com")
        #expect(upstream.timeout == nil)
        #expect(upstream.queue == Configuration.Queue())
        #expect(upstream.breaker == Configuration.Breaker())
        let route = configuration.routes[0]
        #expect(route.name == "/v1/**")
        #expect(route.auth == .required)
        #expect(route.maxBody == 10 << 20)
        #expect(route.limits == [])
        #expect(route.cache == nil)
        #expect(configuration.warnings.isEmpty)
    }

    @Test("Tables about the process are read")
    func process() throws {
        let configuration = try readConfiguration(completeConfiguration, ["GEMINI_API_KEY": "G"])
        var server = Configuration.Server()
        server.listen = .tcp(host: "::1", port: 9000)
        server.publicURL = "https://gateway.example"
        server.threads = 2
        server.maxBody = 1 << 20
        server.maxHeader = 16 << 10
        server.headerTimeout = .seconds(1)
        server.idleTimeout = .seconds(2)
        server.clientTimeout = .seconds(3)
        server.drainTimeout = .seconds(4)
        server.trustedProxies = ["10.0.0.0/8", "::1"].compactMap { AddressRange($0) }
        #expect(configuration.server == server)
        var redis = Configuration.Redis()
        redis.url = "rediss://user:password@redis:6380/1"
        redis.prefix = "x"
        redis.ca = "/ca.pem"
        redis.certificate = "/c.pem"
        redis.key = "/k.pem"
        redis.timeout = .milliseconds(75)
        redis.onFailure = .closed
        #expect(configuration.redis == redis)
        #expect(configuration.admin.token == "t")
        #expect(configuration.admin.listen == .tcp(host: "127.0.0.1", port: 9090))
        #expect(configuration.admin.metrics == .open)
        #expect(configuration.auth == .optional)
        #expect(configuration.cache.memory == 1 << 30)
        #expect(configuration.cache.maxEntry == 512)
        #expect(configuration.cache.redis == "unix:///run/redis.sock")
        #expect(configuration.prices.map(\.model) == ["gemini-2.5-flash"])
        #expect(configuration.prices[0].input == 0.3)
        #expect(configuration.prices[0].output == 2)
    }

    @Test("Tables about callers are read, and no plain key is kept")
    func callers() throws {
        let configuration = try readConfiguration(completeConfiguration, ["GEMINI_API_KEY": "G"])
        var limit = Configuration.Limit()
        limit.name = "teams"
        limit.by = [.header("x-team"), .route]
        limit.rate = Rate(count: 600, window: .seconds(10))
        limit.burst = 20
        limit.maxKeys = 1_000
        #expect(configuration.limits == [limit])
        let backend = try #require(configuration.clients.first)
        #expect(backend.name == "backend")
        #expect(backend.weight == 4)
        #expect(backend.priority == 2)
        #expect(backend.limits == [0])
        #expect(backend.mayNameUsers)
        #expect(backend.keyDigest.count == 32)
        #expect(backend.keyDigest.first == 0x86)
        let hashed = configuration.clients[1]
        #expect(hashed.keyDigest.prefix(2) == [0xBA, 0x78])
        #expect(hashed.limits == nil)
        #expect(hashed.priority == 3)
    }

    @Test("Tables about upstreams and routes are read")
    func upstreamsAndRoutes() throws {
        let configuration = try readConfiguration(completeConfiguration, ["GEMINI_API_KEY": "G"])
        let upstream = configuration.upstreams[0]
        #expect(upstream.dialect == .gemini)
        #expect(upstream.url == "http://[::1]:8080/prefix")
        #expect(upstream.key == "G")
        #expect(upstream.keyVariable == "GEMINI_API_KEY")
        #expect(upstream.ca == "/ca.pem")
        #expect(upstream.connectTimeout == .seconds(1))
        #expect(upstream.firstByteTimeout == .seconds(2))
        #expect(upstream.idleTimeout == .seconds(3))
        #expect(upstream.timeout == .seconds(4))
        #expect(upstream.maxConnections == 5)
        #expect(upstream.retries == 1)
        #expect(upstream.replayBody == 2 << 20)
        #expect(upstream.breaker.failures == 3)
        #expect(upstream.breaker.window == .seconds(7))
        #expect(upstream.breaker.openFor == .seconds(8))
        #expect(upstream.queue.maxWaiting == 9)
        #expect(upstream.queue.maxWaitingBytes == 10 << 10)
        #expect(upstream.queue.maxWait == .seconds(11))
        #expect(upstream.queue.fairBy == .ip)
        #expect(upstream.queue.heartbeat == .seconds(12))
        var quota = Configuration.Quota()
        quota.name = "rpm"
        quota.limit = 87
        quota.whole = 100
        quota.per = .seconds(60)
        quota.scope = .upstream
        quota.models = ["gemini-2.5-*"]
        quota.methods = ["generateContent"]
        quota.batch = .call
        quota.burst = 7
        #expect(upstream.quotas == [quota])
        #expect(configuration.upstreams[1].dialect == .http)
        #expect(configuration.upstreams[1].identitySecret == "secret")
        let route = configuration.routes[0]
        #expect(route.name == "main")
        #expect(route.path.text == "/{v1,v1beta}/**")
        #expect(route.methods == ["GET", "POST"])
        #expect(route.upstream == 0)
        #expect(route.auth == .none)
        #expect(route.limits == [0])
        #expect(route.stripPrefix == "/v1")
        #expect(route.maxBody == 100 << 20)
        #expect(route.timeout == .seconds(300))
        let cache = try #require(route.cache)
        #expect(cache.ttl == .seconds(60))
        #expect(cache.methods == ["embedContent"])
        #expect(cache.staleWhileRevalidate == .seconds(2))
        #expect(cache.staleIfError == .seconds(3))
        #expect(cache.scope == .shared)
        #expect(!cache.chargeLimits)
    }

    @Test("Unnamed quotas are called after their upstream and counted")
    func quotaNames() throws {
        let quotas = "[[upstream.quota]]\nrequests = 60\nper = \"1m\"\n"
        let text = soundConfiguration.replacing("[[route]]", with: quotas + quotas + quotas + "[[route]]")
        let names = try readConfiguration(text).upstreams[0].quotas.map(\.name)
        #expect(names == ["gemini", "gemini-2", "gemini-3"])
    }

    @Test(
        "Half of a short window may leave at once, all of a long one; headroom is taken off first",
        arguments: [
            ("requests = 360\nper = \"1m\"", 360, 180),
            ("requests = 15\nper = \"1m\"", 15, 8),
            ("requests = 1\nper = \"5m\"", 1, 1),
            ("requests = 200\nper = \"1d\"", 200, 200),
            ("requests = 15\nper = \"1m\"\nheadroom = \"10%\"", 13, 7),
            ("requests = 15\nper = \"1m\"\nburst = 1", 15, 1),
            ("requests = 1000\nper = \"1s\"\nheadroom = \"0.1%\"", 999, 500),
        ]
    )
    func burst(quota: String, requests: Int, burst: Int) throws {
        let text = soundConfiguration.replacing("[[route]]", with: "[[upstream.quota]]\n\(quota)\n[[route]]")
        let read = try readConfiguration(text).upstreams[0].quotas[0]
        #expect(read.limit == requests)
        #expect(read.burst == burst)
    }

    @Test("Variables are expanded in every string, also where an integer is due")
    func variables() throws {
        let text = soundConfiguration.replacing("rate = ", with: "burst = \"${BURST:-7}\"\nrate = ")
            .replacing("\"K\"", with: "\"${A:-}x${B}${A:-}\"")
        let plain = try readConfiguration(text, ["B": "$b{"])
        #expect(plain.limits[0].burst == 7)
        #expect(plain.upstreams[0].key == "x$b{")
        let set = try readConfiguration(text, ["A": "a", "B": "", "BURST": "3"])
        #expect(set.limits[0].burst == 3)
        #expect(set.upstreams[0].key == "axa")
    }

    @Test(
        "The file's address comes first, then PORT",
        arguments: [
            ("", "9000", ListenAddress.tcp(host: "0.0.0.0", port: 9000)),
            ("[server]\nthreads = 1", "9000", .tcp(host: "0.0.0.0", port: 9000)),
            ("[server]\nlisten = \"${LISTEN:-}\"", "9000", .tcp(host: "0.0.0.0", port: 9000)),
            ("[server]\nlisten = \"127.0.0.1:1\"", "9000", .tcp(host: "127.0.0.1", port: 1)),
            ("[server]\nlisten = \":0\"", "", .tcp(host: "0.0.0.0", port: 0)),
            ("[server]\nlisten = \"unix:/run/gateway.sock\"", "", .unix(path: "/run/gateway.sock")),
            ("", "", .tcp(host: "0.0.0.0", port: 8080)),
        ]
    )
    func listen(text: String, port: String, expected: ListenAddress) throws {
        #expect(try readConfiguration(text, ["PORT": port]).server.listen == expected)
    }

    @Test("An empty Redis address means the embedded store")
    func embedded() throws {
        #expect(try readConfiguration("[redis]\nurl = \"${REDIS_URL:-}\"").redis == nil)
        #expect(try readConfiguration("[redis]").redis == Configuration.Redis())
        let url = "redis://127.0.0.1:1/0"
        #expect(try readConfiguration("[redis]\nurl = \"${REDIS_URL:-}\"", ["REDIS_URL": url]).redis?.url == url)
    }

    @Test("A client whose variable may be empty is left out with a warning")
    func clientWithoutKey() throws {
        let configuration = try readConfiguration("[[client]]\nname = \"a\"\nkey = \"${APP_KEY:-}\"")
        #expect(configuration.clients.isEmpty)
        #expect(configuration.warnings.contains { $0.contains("client[0].key") && $0.contains("APP_KEY") })
    }
}
