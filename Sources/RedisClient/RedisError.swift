/// Why a command has no reply.
package enum RedisError: Error, Equatable {
    /// No connection now; nothing was sent.
    case notConnected
    /// Too much is unanswered already; nothing was sent.
    case overloaded
    /// No reply within the command's time. Redis may still run it; what it answers then is dropped.
    case timedOut
    /// The connection ended after the command was sent: Redis may or may not have run it.
    case connectionLost
    /// What came is no RESP: the stream is out of step.
    case malformedReply
    /// Redis answered with an error.
    case server(RedisServerError)
}

/// An error as Redis words it: a code in capitals, then text.
package struct RedisServerError: Error, Equatable, Sendable {
    /// The whole line, without the leading "-".
    package let message: String

    package init(message: String) { self.message = message }

    /// The first word: `ERR`, `NOSCRIPT`, `OOM`, `READONLY`, `LOADING` …
    package var code: Substring { message.prefix { $0 != " " } }

    /// Whoever answered is not, or no longer, the master of what was asked for.
    var isMisplaced: Bool { ["MOVED", "READONLY", "MASTERDOWN"].contains(code) }
}

extension RedisError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notConnected: "not connected to Redis"
        case .overloaded: "too many Redis commands are unanswered"
        case .timedOut: "Redis did not answer in time"
        case .connectionLost: "the connection to Redis was lost"
        case .malformedReply: "what Redis sent is no RESP"
        case .server(let error): error.message
        }
    }
}
