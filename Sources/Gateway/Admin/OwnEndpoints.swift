internal import Dialects
internal import HTTPWire
internal import Hashing
package import NIOCore
internal import Pacing

/// The gateway's own paths: `/health`, `/ready`, `/metrics` and `/admin/…`. They come before any route.
package final class OwnEndpoints {
    private let admin: Configuration.Admin
    private let readiness: Readiness
    private let stats: StatsReport
    private let eventLoop: any EventLoop

    package init(admin: Configuration.Admin, readiness: Readiness, stats: StatsReport, eventLoop: any EventLoop) {
        self.admin = admin
        self.readiness = readiness
        self.stats = stats
        self.eventLoop = eventLoop
    }

    /// - Returns: `false`: the path is not one of these; a route may have it.
    package func take(_ exchange: Exchange, connection: Connection) -> Bool {
        switch OwnPath(exchange.head.path) {
        case .health: health(exchange)
        case .ready: ready(exchange)
        // Where they have an address of their own, they are nowhere else, and no route gets what is meant for them:
        // the token that comes with it is nobody's business.
        case .metrics where admin.listen != nil && !connection.isAdmin,
            .admin where admin.listen != nil && !connection.isAdmin:
            exchange.responder.refuse(.missing("/metrics and /admin have an address of their own (admin.listen)"))
        case .metrics: metrics(exchange, connection: connection)
        case .admin: administer(exchange, connection: connection)
        case nil:
            guard connection.isAdmin else { return false }
            exchange.responder.refuse(.missing("this address answers /health, /ready, /metrics and /admin only"))
        }
        return true
    }

    private func health(_ exchange: Exchange) {
        guard reads(exchange) else { return }
        send(exchange, status: 200, "application/json", ByteBuffer(staticString: "{\"status\":\"ok\"}"))
    }

    private func ready(_ exchange: Exchange) {
        guard reads(exchange) else { return }
        if let obstacle = readiness.obstacle {
            exchange.responder.refuse(.notReady(obstacle))
        } else {
            send(exchange, status: 200, "application/json", ByteBuffer(staticString: "{\"status\":\"ready\"}"))
        }
    }

    private func metrics(_ exchange: Exchange, connection: Connection) {
        guard reads(exchange) else { return }
        if !connection.isAdmin, admin.metrics == .token, !authorized(exchange, connection: connection) { return }
        answer(exchange, contentType: "text/plain; version=0.0.4; charset=utf-8") { stats in await stats.metrics() }
    }

    private func administer(_ exchange: Exchange, connection: Connection) {
        guard authorized(exchange, connection: connection) else { return }
        guard exchange.head.path.elementsEqual("/admin/stats".utf8) else {
            if let pause = PauseOrder(path: exchange.head.path) { return carryOut(pause, exchange) }
            exchange.responder.refuse(
                .missing(
                    "there is no such page; GET /admin/stats tells what happens, "
                        + "POST /admin/quotas/{name}/pause and /resume hold calls back"
                )
            )
            return
        }
        guard reads(exchange) else { return }
        answer(exchange, contentType: "application/json") { stats in await stats.json() }
    }

    private func carryOut(_ pause: PauseOrder, _ exchange: Exchange) {
        guard exchange.head.method == .post else { return exchange.responder.refuse(.methodNotAllowed("POST")) }
        guard !admin.token.isEmpty || LocalRequest.isOwn(exchange.head.fields) else {
            exchange.responder.refuse(
                .forbidden("without admin.token this takes a Host of this machine, and no Origin of another site")
            )
            return
        }
        guard let target = pause.target(in: stats.plan) else {
            let known = PauseOrder.names(in: stats.plan).map { "\"\($0)\"" }.joined(separator: ", ")
            exchange.responder.refuse(
                .missing(
                    "no quota, and no upstream with quotas, is named \"\(pause.name)\"; "
                        + (known.isEmpty ? "there are none" : "there are \(known)")
                )
            )
            return
        }
        target.queue.statistics().hop(to: eventLoop).assumeIsolated().whenComplete { result in
            // What cannot be told to the store would hold at this replica alone, or nowhere.
            guard case .success(let statistics) = result, statistics.mode == .connected else {
                return exchange.responder.refuse(.queueUnavailable)
            }
            target.queue.pause(quota: target.quota ?? "", pause.pauses)
            Self.send(exchange, status: 200, "application/json", pause.confirmation(of: target))
        }
    }

    private func reads(_ exchange: Exchange) -> Bool {
        if exchange.head.method == .get || exchange.head.method == .head { return true }
        exchange.responder.refuse(.methodNotAllowed("GET, HEAD"))
        return false
    }

    /// Without a token only an address of its own, which the configuration holds to loopback or a Unix socket, is open.
    private func authorized(_ exchange: Exchange, connection: Connection) -> Bool {
        if admin.token.isEmpty {
            if connection.isAdmin { return true }
            exchange.responder.refuse(
                .forbidden("no admin token is configured: set admin.token, or give admin.listen an address of its own")
            )
            return false
        }
        if let token = exchange.head.fields.first(.authorization).flatMap(Dialect.bearerToken),
            constantTimeEquals(Array(token), Array(admin.token.utf8))
        {
            return true
        }
        exchange.responder.refuse(.noKey(lookedAt: "Authorization: Bearer, which takes admin.token"))
        return false
    }

    private func answer(
        _ exchange: Exchange,
        contentType: StaticString,
        _ make: @escaping @Sendable (StatsReport) async -> ByteBuffer
    ) {
        let stats = self.stats
        let promise = eventLoop.makePromise(of: ByteBuffer.self)
        promise.completeWithTask { await make(stats) }
        promise.futureResult.assumeIsolated().whenSuccess { body in
            Self.send(exchange, status: 200, contentType, body)
        }
    }

    private func send(_ exchange: Exchange, status: Int, _ contentType: StaticString, _ body: ByteBuffer) {
        Self.send(exchange, status: status, contentType, body)
    }

    private static func send(_ exchange: Exchange, status: Int, _ contentType: StaticString, _ body: ByteBuffer) {
        var fields = ReplyFields(capacity: 256)
        fields.add("content-type", contentType)
        fields.add("cache-control", "no-store")
        exchange.responder.answer(status: status, fields: fields, body: body)
    }
}

/// The gateway's own paths.
private enum OwnPath {
    case health, ready, metrics, admin

    /// The usual call is told apart by its second byte.
    init?(_ path: ByteBufferView) {
        guard let second = path.dropFirst().first else { return nil }
        switch second {
        case UInt8(ascii: "h") where path.elementsEqual("/health".utf8): self = .health
        case UInt8(ascii: "r") where path.elementsEqual("/ready".utf8): self = .ready
        case UInt8(ascii: "m") where path.elementsEqual("/metrics".utf8): self = .metrics
        case UInt8(ascii: "a") where path.starts(with: "/admin".utf8):
            guard path.count == 6 || path.dropFirst(6).first == UInt8(ascii: "/") else { return nil }
            self = .admin
        default: return nil
        }
    }
}
