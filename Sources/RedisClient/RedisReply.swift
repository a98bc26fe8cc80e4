package import NIOCore

/// What Redis answers (RESP2).
package enum RedisReply: Equatable, Sendable {
    case null
    /// A simple string: `OK`, `PONG`.
    case status(String)
    case integer(Int)
    case bytes(ByteBuffer)
    case array([RedisReply])
    /// Inside an array only; an error as the whole reply is `RedisError.server`.
    case error(RedisServerError)
}

extension RedisReply {
    package var integer: Int? {
        if case .integer(let value) = self { value } else { nil }
    }

    package var bytes: ByteBuffer? {
        if case .bytes(let value) = self { value } else { nil }
    }

    package var array: [RedisReply]? {
        if case .array(let value) = self { value } else { nil }
    }

    /// A status, or bytes that are taken for UTF-8.
    package var string: String? {
        switch self {
        case .status(let value): value
        case .bytes(let value): String(buffer: value)
        default: nil
        }
    }
}
