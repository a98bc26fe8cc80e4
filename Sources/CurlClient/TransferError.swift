/// Why a transfer did not bring a complete answer. No case carries a URL, a field or a byte of a body.
package enum TransferError: Error, Equatable {
    package enum Phase: Sendable, Equatable {
        case connect, firstByte, idle
    }
    /// A request that cannot be sent: the sentence says what is wrong with it.
    case invalidRequest(String)
    /// The host has no address.
    case resolve
    /// No connection: refused, unreachable. `errno` of the last attempt; 0: not known.
    case connect(errno: Int32)
    /// The handshake or the certificate: libcurl's sentence.
    case tls(String)
    case timedOut(Phase, bytesSent: Bool)
    /// `transferMayStart()` said no.
    case refusedByCheck(bytesSent: Bool)
    /// The connection or the stream broke.
    case reset(bytesSent: Bool)
    /// The answer ended before its declared length or last chunk.
    case truncated
    /// What came back is no HTTP answer, or a head beyond 256 KiB.
    case malformedAnswer(String)
    /// The stream of the request's body ended at another length than was declared.
    case bodyLength
    /// The client was closed.
    case cancelled
    /// Any other `CURLcode`, with libcurl's generic text for it.
    case other(code: Int32, text: String, bytesSent: Bool)

    /// Whether the upstream may have seen part of the request; `false` is certain.
    package var bytesSent: Bool {
        switch self {
        case .invalidRequest, .resolve, .connect, .tls: false
        case .timedOut(_, let sent), .refusedByCheck(let sent), .reset(let sent), .other(_, _, let sent): sent
        case .truncated, .malformedAnswer, .bodyLength, .cancelled: true
        }
    }
}
