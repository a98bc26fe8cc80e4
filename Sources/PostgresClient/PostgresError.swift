/// What can go wrong between here and Postgres. No case carries a parameter, a password or a row.
package enum PostgresError: Error, Equatable {
    /// `DATABASE_URL` cannot be read; libpq's reason.
    case invalidURL(String)
    /// No connection could be made; libpq's reason.
    case unreachable(String)
    /// The connection broke. Where the query had not been `sent`, repeating it is safe.
    case connectionLost(sent: Bool, String)
    /// The connection broke during `COMMIT`: the transaction may or may not stand.
    case commitUnknown
    /// Postgres refused a statement.
    case server(ServerError)
    /// No answer in time; the statement was cancelled and its connection closed.
    case timedOut(after: Duration)
    /// The calling task was cancelled; so was the statement, and its connection is closed.
    case cancelled
    /// All connections are busy, or Postgres is away, and the wait is over or not worth it.
    case noConnection(NoConnection)
    /// A column is missing or holds another type than asked for. The name of the column.
    case unexpectedColumn(String)

    package struct ServerError: Equatable, Sendable {
        /// Five characters, PostgreSQL's appendix A.
        package let sqlState: String
        /// Withheld for class 22, whose messages quote the value.
        package let message: String

        package init(sqlState: String, message: String) {
            self.sqlState = sqlState
            self.message = message
        }
    }

    package enum NoConnection: Equatable, Sendable {
        case waitedTooLong, tooManyWaiting, closed
    }

    package var sqlState: String? {
        guard case .server(let error) = self else { return nil }
        return error.sqlState
    }

    /// Rolled back for the sake of another transaction; the same statements may pass next time.
    package var isSerializationFailure: Bool {
        sqlState == "40001" || sqlState == "40P01"
    }

    /// A failover made this server a standby: nothing was written, and its connections are of no use for writing.
    package var isReadOnly: Bool {
        sqlState == "25006"
    }

    /// Whether a later attempt may well succeed without any change: an answer of 503 rather than of 500.
    package var isTransient: Bool {
        switch self {
        case .unreachable, .connectionLost, .commitUnknown, .timedOut, .noConnection: true
        case .server(let error):
            isSerializationFailure || isReadOnly || ["53", "57"].contains(error.sqlState.prefix(2))
        case .invalidURL, .cancelled, .unexpectedColumn: false
        }
    }
}

extension PostgresError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalidURL(let reason): "the database URL is not valid: \(reason)"
        case .unreachable(let reason): "Postgres cannot be reached: \(reason)"
        case .connectionLost(let sent, let reason):
            "the connection to Postgres broke \(sent ? "after" : "before") the query was sent: \(reason)"
        case .commitUnknown: "the connection to Postgres broke during COMMIT"
        case .server(let error): "Postgres: \(error.sqlState) \(error.message)"
        case .timedOut(let duration): "Postgres did not answer within \(duration)"
        case .cancelled: "the query was cancelled"
        case .noConnection(.waitedTooLong): "no connection to Postgres came free in time"
        case .noConnection(.tooManyWaiting): "too many callers wait for a connection to Postgres"
        case .noConnection(.closed): "the pool of connections to Postgres is closed"
        case .unexpectedColumn(let name): "column \(name) is missing or of another type"
        }
    }
}
