package import NIOCore

/// What one connection may make the server hold or skip. All in bytes.
package struct WireLimits: Sendable {
    /// Request line and fields together; 431 above it. Trailer fields are held to the same bound.
    package var maxHeader: Int
    /// How much of an unread request body is read off after the reply, to keep the connection.
    package var maxDiscardedBody: Int

    package init(maxHeader: Int = 32 * 1024, maxDiscardedBody: Int = 64 * 1024) {
        self.maxHeader = maxHeader
        self.maxDiscardedBody = maxDiscardedBody
    }
}

/// How long a client may take.
package struct WireTimeouts: Sendable {
    /// From connecting, or from a head's first byte, until the head is complete: 408 and close.
    package var header: TimeAmount
    /// Between two requests: close without a word.
    package var idle: TimeAmount
    /// Without a byte of a wanted body, or without taking a byte of a reply: cut.
    /// A client that takes nothing is found out within 1.25 times this.
    package var client: TimeAmount
    /// How long a connection stays half open after a last reply whose request was not read to its end.
    /// Closing at once would reset it, and the client might lose the reply (RFC 9112, 9.6).
    package var linger: TimeAmount

    package init(
        header: TimeAmount = .seconds(10),
        idle: TimeAmount = .seconds(75),
        client: TimeAmount = .seconds(60),
        linger: TimeAmount = .seconds(2)
    ) {
        self.header = header
        self.idle = idle
        self.client = client
        self.linger = linger
    }
}
