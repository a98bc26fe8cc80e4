package import NIOCore

/// One call to an upstream.
package struct TransferRequest: Sendable {
    /// A token, as RFC 9110, 9.1 has it; case matters. `CONNECT` is refused.
    package var method: String
    /// Absolute, `http` or `https`; path and query go out byte for byte, without dot segments being removed.
    package var url: String
    /// Path and query, sent byte for byte in place of the URL's; begins with a slash. A URL that stays the same from
    /// call to call, with the target beside it, saves curl from parsing it anew: 12,000 instructions.
    package var target: ByteBuffer?
    /// `Name: value\r\n` lines, sent as they are and in their order. Nothing is added but `Host` where it is missing
    /// and the body's framing: `Content-Length`, `Transfer-Encoding` and `Expect` lines are left out, as the framing
    /// is this client's to say.
    package var fields: ByteBuffer
    package var body: TransferBody
    package var timeouts: TransferTimeouts
    /// PEM file of the authorities to trust in place of the system's.
    package var caFile: String?
    /// What to do when a kept connection turns out to be dead after bytes were written to it and none came back.
    /// `true`: libcurl sends the call again on a fresh connection, after `transferMayStart()` said yes again.
    /// `false`: it ends as `.reset(bytesSent: true)`, for the upstream may have acted on it and counted it.
    /// A connection found dead before anything was written is replaced in either case.
    package var repeatsOnDeadConnection: Bool

    package init(
        method: String,
        url: String,
        target: ByteBuffer? = nil,
        fields: ByteBuffer = ByteBuffer(),
        body: TransferBody = .none,
        timeouts: TransferTimeouts = TransferTimeouts(),
        caFile: String? = nil,
        repeatsOnDeadConnection: Bool = false
    ) {
        self.method = method
        self.url = url
        self.target = target
        self.fields = fields
        self.body = body
        self.timeouts = timeouts
        self.caFile = caFile
        self.repeatsOnDeadConnection = repeatsOnDeadConnection
    }

    /// Whether it says how long its body is even without one (RFC 9110, 8.6), and so is what curl calls a POST.
    var isPost: Bool {
        switch body {
        case .bytes, .stream: true
        case .none: method == "POST" || method == "PUT" || method == "PATCH"
        }
    }

    /// Whether curl would ask for `100 Continue` and wait a second for it.
    var mayExpect: Bool {
        switch body {
        case .none: false
        case .bytes(let bytes): bytes.readableBytes > 1024 * 1024
        case .stream: true
        }
    }
}

package enum TransferBody: Sendable {
    /// No body. `POST`, `PUT` and `PATCH` then say `Content-Length: 0`.
    case none
    /// All of it at hand; kept, not copied.
    case bytes(ByteBuffer)
    /// Follows through `Transfer.send`. Length in bytes; nil: not known, chunked on HTTP/1.1.
    case stream(length: Int?)
}

/// How long each phase of a transfer may take; zero: no limit. Made once for a route: the conversion costs more than
/// a transfer should pay.
package struct TransferTimeouts: Sendable, Equatable {
    /// Resolving, connecting and TLS, without the wait for one of `CurlLimits.connectionsPerHost`.
    let connect: TimeAmount
    /// From `start` to the status line of the final answer; ends within 50 ms after it.
    let firstByte: TimeAmount
    /// Without a byte of the body, while the receiver takes them; ends within 50 ms after it.
    let idle: TimeAmount

    package init(connect: Duration = .seconds(5), firstByte: Duration = .seconds(600), idle: Duration = .seconds(300)) {
        self.connect = TimeAmount(connect)
        self.firstByte = TimeAmount(firstByte)
        self.idle = TimeAmount(idle)
    }
}
