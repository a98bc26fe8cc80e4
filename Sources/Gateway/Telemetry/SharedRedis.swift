internal import NIOCore
internal import RedisClient

/// A loop's Redis connection for callers that are not on the loop: statistics, start, administration.
struct SharedRedis: Sendable {
    let connection: NIOLoopBound<RedisConnection>

    func send(_ arguments: [RedisArgument], timeout: TimeAmount) async throws -> RedisReply {
        try await withCheckedThrowingContinuation { continuation in
            connection.eventLoop.execute {
                connection.value.send(arguments, timeout: timeout) { continuation.resume(with: $0) }
            }
        }
    }

    func eval(
        _ script: RedisScript,
        keys: [String],
        arguments: [RedisArgument],
        timeout: TimeAmount
    ) async throws -> RedisReply {
        try await withCheckedThrowingContinuation { continuation in
            connection.eventLoop.execute {
                connection.value.eval(script, keys: keys, arguments: arguments, timeout: timeout) {
                    continuation.resume(with: $0)
                }
            }
        }
    }
}

extension RedisReply {
    /// A flat array of names and values, as HGETALL gives it.
    var pairs: [(String, RedisReply)] {
        guard let array else { return [] }
        return stride(from: 0, to: array.count - 1, by: 2).map { (array[$0].string ?? "", array[$0 + 1]) }
    }

    /// What is no whole number is left out.
    var counters: [CounterName: Int] {
        pairs.reduce(into: [:]) { counters, pair in
            counters[CounterName(field: pair.0)] = pair.1.string.flatMap(Int.init)
        }
    }
}
