package import Logging
package import NIOCore

/// A connection for `async` code: start, reload, admin, tests. Never on the hot path.
package struct RedisHandle: Sendable {
    private let connection: NIOLoopBound<RedisConnection>
    package var eventLoop: any EventLoop { connection.eventLoop }

    /// Dials on `eventLoop`.
    package static func open(
        _ endpoint: RedisEndpoint,
        on eventLoop: any EventLoop,
        logger: Logger,
        clientName: String = "sluice-admin"
    ) async -> RedisHandle {
        await withCheckedContinuation { continuation in
            eventLoop.execute {
                let connection = RedisConnection(
                    endpoint: endpoint,
                    eventLoop: eventLoop,
                    logger: logger,
                    clientName: clientName
                )
                continuation.resume(
                    returning: RedisHandle(connection: NIOLoopBound(connection, eventLoop: eventLoop))
                )
            }
        }
    }

    /// On the loop, to be used elsewhere too.
    package init(_ connection: RedisConnection) {
        self.init(connection: NIOLoopBound(connection, eventLoop: connection.eventLoop))
    }

    private init(connection: NIOLoopBound<RedisConnection>) { self.connection = connection }

    /// - Returns: the reply.
    /// - Throws: as `RedisConnection.send` fails; cancelling does not shorten the wait, `timeout` bounds it.
    @discardableResult
    package func send(
        _ arguments: RedisArgument...,
        timeout: TimeAmount = .seconds(5)
    ) async throws(RedisError) -> RedisReply {
        try await result { $0.send(arguments, timeout: timeout, $1) }
    }

    package func eval(
        _ script: RedisScript,
        keys: [String] = [],
        arguments: [RedisArgument] = [],
        timeout: TimeAmount = .seconds(5)
    ) async throws(RedisError) -> RedisReply {
        try await result { $0.eval(script, keys: keys, arguments: arguments, timeout: timeout, $1) }
    }

    /// Looks on the loop.
    package func read<Value: Sendable>(_ body: @escaping @Sendable (RedisConnection) -> Value) async -> Value {
        let connection = connection
        return await withCheckedContinuation { continuation in
            connection.eventLoop.execute { continuation.resume(returning: body(connection.value)) }
        }
    }

    package func close() async { await read { $0.close() } }

    private func result(
        _ start: @escaping @Sendable (RedisConnection, @escaping RedisConnection.Completion) -> Void
    ) async throws(RedisError) -> RedisReply {
        let connection = connection
        let result: Result<RedisReply, RedisError> = await withCheckedContinuation { continuation in
            connection.eventLoop.execute {
                start(connection.value) { continuation.resume(returning: $0) }
            }
        }
        return try result.get()
    }
}
