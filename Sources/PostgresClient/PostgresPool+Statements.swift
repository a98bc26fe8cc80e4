/// When a single statement is sent again after its connection broke.
package enum StatementRetry: Sendable {
    /// Only if it cannot have run.
    case unsent
    /// Always: it reads, or does the same when it runs twice.
    case idempotent
}

extension PostgresPool {
    private static var maxAttempts: Int { 3 }

    /// Runs one statement on a connection of its own, and again where that is safe: up to three times.
    ///
    /// - Parameter limit: of all waits for a connection; default: `waitLimit`.
    @discardableResult
    package nonisolated func query(
        _ sql: String,
        _ parameters: [PostgresParameter] = [],
        retry: StatementRetry = .unsent,
        until limit: ContinuousClock.Instant? = nil
    ) async throws(PostgresError) -> PostgresRows {
        let limit = limit ?? waitLimit
        var attempt = 1
        while true {
            let lease = try await lease(until: limit)
            do throws(PostgresError) {
                let rows = try await lease.connection.query(sql, parameters)
                await giveBack(lease)
                return rows
            } catch {
                await giveBack(lease, after: error)
                guard attempt < Self.maxAttempts, error.allowsRepeating(retry) else { throw error }
                attempt += 1
            }
        }
    }

    /// Runs `body` in a transaction, and all of it again where that is safe: up to three times.
    ///
    /// Repeated are serialization failures, a server that became read-only, and a connection that broke before `COMMIT`.
    ///
    /// - Parameters:
    ///   - isIdempotent: `body` does the same when it runs after having been committed already; then it is repeated, too, when
    ///     the connection breaks during `COMMIT`.
    ///   - limit: of all waits for a connection; default: `waitLimit`.
    ///   - body: nothing but statements; it may run more than once. When it throws, everything is rolled back.
    /// - Throws: `PostgresError.commitUnknown`; what `body` throws.
    package nonisolated func transaction<Value>(
        isIdempotent: Bool = false,
        until limit: ContinuousClock.Instant? = nil,
        _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        let limit = limit ?? waitLimit
        var attempt = 1
        while true {
            do {
                return try await withConnection(until: limit) { connection in
                    try await Self.transact(on: connection, body)
                }
            } catch let error as PostgresError {
                let isSafe =
                    switch error {
                    case .connectionLost: true
                    case .commitUnknown: isIdempotent
                    default: error.isSerializationFailure || error.isReadOnly
                    }
                guard attempt < Self.maxAttempts, isSafe else { throw error }
                attempt += 1
            }
        }
    }

    private static func transact<Value>(
        on connection: PostgresConnection,
        _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        try await connection.query("BEGIN")
        let value: Value
        do {
            value = try await body(connection)
        } catch {
            // Where this fails the connection is closed, and the server rolls back by itself.
            _ = try? await connection.query("ROLLBACK")
            throw error
        }
        let answer: PostgresRows
        do throws(PostgresError) {
            answer = try await connection.query("COMMIT")
        } catch {
            switch error {
            case .connectionLost(sent: true, _), .timedOut, .cancelled: throw PostgresError.commitUnknown
            default: throw error
            }
        }
        guard answer.commandTag == "COMMIT" else {
            preconditionFailure("a transaction's body went on after a statement had failed")
        }
        return value
    }
}

extension PostgresError {
    fileprivate func allowsRepeating(_ retry: StatementRetry) -> Bool {
        switch self {
        case .connectionLost(let sent, _): !sent || retry == .idempotent
        default: isSerializationFailure || isReadOnly
        }
    }
}
