package import Logging
package import NIOCore

/// Pub/sub on a connection of its own that comes back and subscribes again by itself.
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
    private var link: RedisLink?
    private var session: RedisSession?
    private var subscriptions: [String: Subscription] = [:]

    /// Dials at once. On the loop.
    package init(
        endpoint: RedisEndpoint,
        eventLoop: any EventLoop,
        logger: Logger,
        clientName: String = "sluice-subscriber",
        onStateChange: @escaping (RedisConnectionState) -> Void = { _ in }
    ) {
        eventLoop.preconditionInEventLoop()
        self.eventLoop = eventLoop
        self.logger = logger
        self.onStateChange = onStateChange
        let link = RedisLink(
            endpoint: endpoint,
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
        session?.sendExpectingNoReply(["SUBSCRIBE", .text(channel)])
    }

    package func unsubscribe(_ channel: String) {
        eventLoop.preconditionInEventLoop()
        guard subscriptions.removeValue(forKey: channel) != nil else { return }
        session?.sendExpectingNoReply(["UNSUBSCRIBE", .text(channel)])
    }

    package func close() {
        eventLoop.preconditionInEventLoop()
        subscriptions = [:]
        let link = link
        self.link = nil
        link?.close()
    }

    private func cameUp(_ session: RedisSession, _ info: RedisServerInfo) {
        self.session = session
        session.onPush = { self.take($0) }
        if !subscriptions.isEmpty {
            session.sendExpectingNoReply(["SUBSCRIBE"] + subscriptions.keys.map { .text($0) })
        }
        onStateChange(.up(info))
    }

    private func wentDown(_ error: RedisError) {
        session = nil
        onStateChange(.down(error))
    }

    /// `message channel payload`, `subscribe channel count`, `unsubscribe channel count`, `pong text`.
    private func take(_ push: RedisReply) {
        if case .error(let error) = push {
            instruments.counters.serverErrors += 1
            logger.warning("Redis refuses a subscription", metadata: ["error": "\(error.message)"])
            return
        }
        guard let parts = push.array, parts.count == 3, let kind = parts[0].string, let channel = parts[1].string,
            let subscription = subscriptions[channel]
        else { return }
        switch kind {
        case "message":
            instruments.counters.replies += 1
            if let payload = parts[2].bytes { subscription.onMessage(payload) }
        case "subscribe": subscription.onSubscribed()
        default: break
        }
    }
}
