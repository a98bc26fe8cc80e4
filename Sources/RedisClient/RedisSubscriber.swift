package import Logging
package import NIOCore

/// Pub/sub on a connection of its own that comes back and subscribes again by itself.
///
/// On a cluster it listens at any master, which hears what is published at any other; with a home key at the master of that
/// key's slot, in shard channels (SSUBSCRIBE), whose names need the key's hash tag. Both follow the masters.
///
/// One event loop owns it. Messages published while it is away are lost: look for yourself when told of a
/// (re)subscription. Lives until `close`.
package final class RedisSubscriber {
    private struct Subscription {
        let onSubscribed: () -> Void
        let onMessage: (ByteBuffer) -> Void
    }

    private let eventLoop: any EventLoop
    private let logger: Logger
    private let instruments = RedisInstruments()
    private let onStateChange: (RedisConnectionState) -> Void
    private let isSharded: Bool
    private var link: RedisLink?
    private var session: RedisSession?
    private var subscriptions: [String: Subscription] = [:]

    /// Dials at once. On the loop.
    /// - Parameter home: see above; without meaning where there is one Redis.
    package convenience init(
        endpoint: RedisEndpoint,
        home: String? = nil,
        eventLoop: any EventLoop,
        logger: Logger,
        clientName: String = "sluice-subscriber",
        onStateChange: @escaping (RedisConnectionState) -> Void = { _ in }
    ) {
        let route = RedisRoute(endpoint, home: home, eventLoop: eventLoop, logger: logger)
        self.init(
            endpoint: endpoint,
            target: route.target,
            greeting: route.greeting,
            eventLoop: eventLoop,
            logger: logger,
            clientName: clientName,
            isSharded: endpoint.isCluster && home != nil,
            onStateChange: onStateChange
        )
    }

    init(
        endpoint: RedisEndpoint,
        target: RedisLink.Target,
        greeting: RedisLink.Greeting,
        eventLoop: any EventLoop,
        logger: Logger,
        clientName: String,
        isSharded: Bool,
        onStateChange: @escaping (RedisConnectionState) -> Void
    ) {
        eventLoop.preconditionInEventLoop()
        self.eventLoop = eventLoop
        self.logger = logger
        self.isSharded = isSharded
        self.onStateChange = onStateChange
        let link = RedisLink(
            endpoint: endpoint,
            target: target,
            greeting: greeting,
            eventLoop: eventLoop,
            logger: logger,
            clientName: clientName,
            instruments: instruments,
            onUp: { self.cameUp($0, $1) },
            onDown: { self.wentDown($0) }
        )
        self.link = link
        link.start()
    }

    package var isUp: Bool { session != nil }

    package var counters: RedisCounters { instruments.counters }

    /// Subscribes now, or when Redis is there, and again after each loss. A second call for a channel replaces the first.
    /// - Parameter onSubscribed: each time that Redis confirmed: from then on nothing is missed until the next loss.
    package func subscribe(
        _ channel: String,
        onSubscribed: @escaping () -> Void = {},
        _ onMessage: @escaping (ByteBuffer) -> Void
    ) {
        eventLoop.preconditionInEventLoop()
        subscriptions[channel] = Subscription(onSubscribed: onSubscribed, onMessage: onMessage)
        session?.sendExpectingNoReply([subscribing, .text(channel)])
    }

    package func close() {
        eventLoop.preconditionInEventLoop()
        subscriptions = [:]
        let link = link
        self.link = nil
        link?.close()
    }

    private var subscribing: RedisArgument { isSharded ? "SSUBSCRIBE" : "SUBSCRIBE" }

    private func cameUp(_ session: RedisSession, _ info: RedisServerInfo) {
        self.session = session
        session.onPush = { self.take($0) }
        if !subscriptions.isEmpty {
            session.sendExpectingNoReply([subscribing] + subscriptions.keys.map { .text($0) })
        }
        onStateChange(.up(info))
    }

    private func wentDown(_ error: RedisError) {
        session = nil
        onStateChange(.down(error))
    }

    /// `message channel payload`, `subscribe channel count`, `pong text`; of shard channels with an `s` before, and
    /// `sunsubscribe channel count`.
    private func take(_ push: RedisReply) {
        if case .error(let error) = push {
            instruments.counters.serverErrors += 1
            logger.warning("Redis refuses a subscription", metadata: ["error": "\(error.message)"])
            // The slot has moved, or is about to.
            if isSharded { link?.relocate() }
            return
        }
        guard let parts = push.array, parts.count == 3, let kind = parts[0].string, let channel = parts[1].string,
            let subscription = subscriptions[channel]
        else { return }
        switch kind {
        case "message", "smessage":
            instruments.counters.replies += 1
            if let payload = parts[2].bytes { subscription.onMessage(payload) }
        case "subscribe", "ssubscribe": subscription.onSubscribed()
        // Never asked for: the slot is another's now.
        case "sunsubscribe": link?.relocate()
        default: break
        }
    }
}
