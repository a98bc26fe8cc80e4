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
    /// Scheme, authority and a slash: the URL of all its calls, which differ in their target.
    package let origin: String
    /// What goes before every path; no slash at the end. Usually empty.
    package let basePath: String
    /// A handshake comes before the first byte.
    package let isTLS: Bool
    /// The gateway's own key as a field line; empty: none.
    package let keyLine: String
    package let openAIKeyLine: String
    package let key: String
    package let identitySecret: String
    package let caFile: String?
    package let timeouts: TransferTimeouts
    package let timeout: Duration?
    package let maxWait: Duration
    package let maxWaitingBytes: Int
    package let waitingBytes = WaitingBytes()
    package let fairBy: Configuration.Queue.FairBy
    package let heartbeat: TimeAmount
    /// Calls wait here, and who waits may get signs of life.
    package var sendsHeartbeats: Bool { queue != nil && heartbeat > .zero }
    package let retries: Int
    package let replayBody: Int
    package let breaker: Breaker
    package let quotas: QuotaPlan
    /// What its answers taught of the tokens that calls take.
    package let tokens = TokenEstimator()
    /// Use of its quotas by others.
    package let elsewhere = ElsewhereUse()
    /// `nil`: no quota, nothing waits.
    package let queue: QueueHandle?

    package init(index: Int, upstream: Configuration.Upstream, queue: QueueHandle?) {
        self.index = index
        name = upstream.name
        dialect = upstream.dialect
        forwardedFields = UpstreamFields.forwarded(to: upstream.dialect)
        let originLength = Self.originLength(of: upstream.url)
        origin = String(decoding: upstream.url.utf8.prefix(originLength), as: UTF8.self) + "/"
        basePath = String(decoding: upstream.url.utf8.dropFirst(originLength), as: UTF8.self)
        key = upstream.key
        isTLS = upstream.url.hasPrefix("https:")
        keyLine = key.isEmpty ? "" : upstream.dialect.upstreamKeyLine(key, isOpenAI: false)
        openAIKeyLine = key.isEmpty ? "" : upstream.dialect.upstreamKeyLine(key, isOpenAI: true)
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

    /// Path and query as the upstream gets them: the path as it came, less the route's prefix, and the query less a
    /// caller's key in it.
    package func target(for head: RequestHead, stripping prefix: String) -> ByteBuffer {
        var path = head.path
        if !prefix.isEmpty, path.starts(with: prefix.utf8) { path = path.dropFirst(prefix.utf8.count) }
        let query = head.query.flatMap { $0.isEmpty ? nil : $0 }
        let lessKey = dialect == .http ? nil : query.flatMap { QueryParameter.removing(Dialect.keyParameter, from: $0) }
        if basePath.isEmpty, lessKey == nil, path.first == UInt8(ascii: "/"),
            let asItCame = Self.joined(path, query, in: head.fields.buffer)
        {
            return asItCame
        }
        var target = ByteBufferAllocator().buffer(capacity: basePath.utf8.count + path.count + (query?.count ?? 0) + 2)
        target.writeString(basePath)
        if path.first != UInt8(ascii: "/") { target.writeStaticString("/") }
        target.writeBytes(path)
        if let rest = lessKey?.readableBytesView ?? query, !rest.isEmpty {
            target.writeStaticString("?")
            target.writeBytes(rest)
        }
        return target
    }

    /// The slice of the head that holds both, where one follows the other.
    private static func joined(_ path: ByteBufferView, _ query: ByteBufferView?, in head: ByteBuffer) -> ByteBuffer? {
        guard let query else { return head.getSlice(at: path.startIndex, length: path.count) }
        guard query.startIndex == path.endIndex + 1 else { return nil }
        return head.getSlice(at: path.startIndex, length: query.endIndex - path.startIndex)
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
