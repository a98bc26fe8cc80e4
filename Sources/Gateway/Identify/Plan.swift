package import CurlClient
package import Dialects
package import HTTPWire
package import NIOCore
package import Pacing

/// The configuration, made ready for the hot path: routes with their upstreams, clients by key.
package final class Plan: Sendable {
    package let configuration: Configuration
    package let routes: [RoutePlan]
    package let upstreams: [UpstreamPlan]
    package let clientKeys: ClientKeys
    package let addresses: ForwardedAddress

    package init(configuration: Configuration, upstreams: [UpstreamPlan]) {
        self.configuration = configuration
        self.upstreams = upstreams
        self.routes = configuration.routes.enumerated().map { index, route in
            RoutePlan(index: index, route: route, upstream: upstreams[route.upstream])
        }
        self.clientKeys = ClientKeys(clients: configuration.clients)
        self.addresses = ForwardedAddress(trusted: configuration.server.trustedProxies)
    }

    /// The first route that matches, in the order of the file.
    package func route(method: String, path: ByteBufferView) -> RoutePlan? {
        routes.first { route in
            (route.methods.isEmpty || route.methods.contains(method)) && route.pattern.matches(path)
        }
    }

    /// The route whose path is most like the one asked for, for a 404's hint.
    package func nearestRoute(to path: String) -> String? {
        let wanted = Array(path.utf8)
        let nearest = configuration.routes.map(\.path.text)
            .max { Self.sharedPrefix(wanted, $0) < Self.sharedPrefix(wanted, $1) }
        // The slash that all of them begin with is no likeness.
        return nearest.flatMap { Self.sharedPrefix(wanted, $0) > 1 ? $0 : nil }
    }

    private static func sharedPrefix(_ path: [UInt8], _ pattern: String) -> Int {
        zip(path, pattern.utf8).prefix { $0 == $1 }.count
    }
}

package final class RoutePlan: Sendable {
    package let index: Int
    package let name: String
    package let pattern: PathPattern
    package let methods: [String]
    package let auth: AuthMode
    package let limits: [Int]
    package let stripPrefix: String
    package let maxBody: Int
    /// Which key of the configuration bounds the body.
    package let maxBodySetting: String
    package let timeout: Duration?
    package let cache: Configuration.RouteCache?
    package let upstream: UpstreamPlan

    init(index: Int, route: Configuration.Route, upstream: UpstreamPlan) {
        self.index = index
        name = route.name
        pattern = route.path
        methods = route.methods
        auth = route.auth
        limits = route.limits
        stripPrefix = route.stripPrefix
        maxBody = route.maxBody
        maxBodySetting = "max_body of route \"\(route.name)\", else server.max_body"
        timeout = route.timeout
        cache = route.cache
        self.upstream = upstream
    }
}

package final class UpstreamPlan: Sendable {
    package let index: Int
    package let name: String
    package let dialect: Dialect
    package let forwardedFields: KnownFieldSet
    /// Scheme, authority and path prefix, no slash at the end.
    package let baseURL: String
    /// The gateway's own key as a field line; empty: none.
    package let keyLine: String
    package let openAIKeyLine: String
    package let key: String
    /// Bytes of `baseURL` before its path.
    package let originLength: Int
    package let identitySecret: String
    package let caFile: String?
    package let timeouts: TransferTimeouts
    package let timeout: Duration?
    package let maxWait: Duration
    package let maxWaitingBytes: Int
    package let waitingBytes = WaitingBytes()
    package let fairBy: Configuration.Queue.FairBy
    package let heartbeat: TimeAmount
    package let retries: Int
    package let replayBody: Int
    package let breaker: Breaker
    package let quotas: QuotaPlan
    /// `nil`: no quota, nothing waits.
    package let queue: QueueHandle?

    package init(index: Int, upstream: Configuration.Upstream, queue: QueueHandle?) {
        self.index = index
        name = upstream.name
        dialect = upstream.dialect
        forwardedFields = UpstreamFields.forwarded(to: upstream.dialect)
        baseURL = upstream.url
        key = upstream.key
        keyLine = key.isEmpty ? "" : upstream.dialect.upstreamKeyLine(key, isOpenAI: false)
        openAIKeyLine = key.isEmpty ? "" : upstream.dialect.upstreamKeyLine(key, isOpenAI: true)
        originLength = Self.originLength(of: upstream.url)
        identitySecret = upstream.identitySecret
        caFile = upstream.ca.isEmpty ? nil : upstream.ca
        timeouts = TransferTimeouts(
            connect: upstream.connectTimeout,
            firstByte: upstream.firstByteTimeout,
            idle: upstream.idleTimeout
        )
        timeout = upstream.timeout
        maxWait = upstream.queue.maxWait
        maxWaitingBytes = upstream.queue.maxWaitingBytes
        fairBy = upstream.queue.fairBy
        heartbeat = TimeAmount(upstream.queue.heartbeat)
        retries = upstream.retries
        replayBody = upstream.replayBody
        breaker = Breaker(settings: upstream.breaker)
        quotas = QuotaPlan(quotas: upstream.quotas)
        self.queue = queue
    }

    /// The path goes on as it came, less the route's prefix and a caller's key in the query.
    package func url(for head: RequestHead, stripping prefix: String) -> String {
        var path = head.path
        if !prefix.isEmpty, path.starts(with: prefix.utf8) { path = path.dropFirst(prefix.utf8.count) }
        var url = baseURL
        if path.first != UInt8(ascii: "/") { url += "/" }
        url += String(decoding: path, as: UTF8.self)
        if let query = head.query {
            let less = dialect == .http ? nil : QueryParameter.removing(Dialect.keyParameter, from: query)
            let rest = less ?? ByteBuffer(query)
            if rest.readableBytes > 0 {
                url += "?"
                url += String(buffer: rest)
            }
        }
        return url
    }

    private static func originLength(of url: String) -> Int {
        // Scheme, an empty part, the authority: the path begins at the third slash.
        var slashes = 0
        for (offset, byte) in url.utf8.enumerated() where byte == UInt8(ascii: "/") {
            slashes += 1
            if slashes == 3 { return offset }
        }
        return url.utf8.count
    }
}
