package import NIOCore

/// Gets what comes back of one transfer. Every call is made on the client's loop, and never from inside a call to
/// `start`, `pause`, `resume`, `send`, `finishBody` or `cancel`. All of `CurlClient` and `Transfer` may be called
/// from them. The client holds its receiver until the transfer has ended.
package protocol TransferReceiver: AnyObject {
    /// Asked when the connection stands, right before the first byte leaves; and once more where a call is repeated
    /// (`TransferRequest.repeatsOnDeadConnection`). `false` ends the transfer with `.refusedByCheck`.
    func transferMayStart() -> Bool
    /// The final head: interim answers (1xx) are skipped.
    /// - Parameter fields: `Name: value\r\n` lines as the server sent them, HTTP/2 names in lower case.
    ///   `Transfer-Encoding` may be among them although the body comes decoded.
    func transferHead(status: Int, fields: ByteBuffer)
    /// Some bytes of the body, at most 16 KiB, without transfer coding; content coding is untouched.
    func transferBody(_ bytes: ByteBuffer)
    /// Less than `Transfer.bodyLowWater` waits to be sent: more may be appended. Once until the next `send`.
    func transferNeedsBody()
    /// The last call, exactly once unless `cancel` came first. Success means that the body is complete.
    func transferEnded(_ result: Result<TransferSummary, TransferError>)
}

/// What an ended transfer cost.
package struct TransferSummary: Sendable, Equatable {
    package enum Version: Sendable, Equatable {
        case http1, http2
    }
    package let version: Version
    /// From `start` to the status line.
    package let timeToFirstByte: Duration
    /// Resolving, TCP and TLS; zero on a connection that stood.
    package let connectTime: Duration
    package let reusedConnection: Bool
    /// Of the body.
    package let bytesReceived: Int
    /// Of the request's body.
    package let bytesSent: Int
}
