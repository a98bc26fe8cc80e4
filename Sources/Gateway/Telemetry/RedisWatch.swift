internal import NIOCore
internal import RedisClient

/// What one loop's Redis connection has been through, for statistics.
final class RedisWatch {
    private let connection: RedisConnection
    private(set) var latency = RollingHistogram()

    init(connection: RedisConnection) {
        self.connection = connection
        let eventLoop = connection.eventLoop
        connection.latencyObserver = { [weak self] time in self?.latency.record(time, at: eventLoop.now) }
    }

    struct Reading: Sendable {
        var isUp: Bool
        var counters: RedisCounters
        var latency: Histogram
        var evictionPolicy: String?
    }

    func read() -> Reading {
        Reading(
            isUp: connection.isUp,
            counters: connection.counters,
            latency: latency.window(minutes: 5, at: connection.eventLoop.now),
            evictionPolicy: connection.server?.evictionPolicy
        )
    }
}
