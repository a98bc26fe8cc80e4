package import HTTPWire
package import NIOCore

/// A request's body on its way through: the first bytes are kept for what has to see them before the call is made
/// (model, items, cache key) and for a second try; the rest flows through one chunk at a time.
///
/// Loop-confined. Memory: at most `keepAtMost` plus what one read of the socket brings.
package final class RequestBody {
    package enum State: Equatable {
        case receiving
        case complete
        /// The client went away, or sent more than `limit`.
        case broken
    }

    /// What comes after the kept bytes.
    package enum Piece {
        case bytes(ByteBuffer)
        case end
    }

    package private(set) var state: State
    /// The body from its first byte on; all of it where `isWhole`.
    package private(set) var kept = ByteBuffer()
    /// Bytes received so far.
    package private(set) var received = 0
    /// From Content-Length; `nil`: chunked.
    package let declaredLength: Int?

    private var limit = 0
    private var keepAtMost = 0
    private var forgotten = false
    private var onReady: (() -> Void)?
    /// Let go when the body has ended or broken off.
    private var sink: ((Piece) -> Void)?
    /// The connection, which is asked for bytes, or for none. `nil`: the body is not wanted any more.
    private var source: (any ReplyWriter)?

    /// Until `expect(limit:keepAtMost:)` nothing of it is read.
    /// - Parameters:
    ///   - length: of the body; `nil` where it comes in chunks; 0 where there is none.
    ///   - source: the connection.
    package init(length: Int?, source: any ReplyWriter) {
        self.declaredLength = length
        self.source = source
        self.state = length == 0 ? .complete : .receiving
    }

    /// - Parameters:
    ///   - limit: bytes above which the body is refused.
    ///   - keepAtMost: bytes kept.
    package func expect(limit: Int, keepAtMost: Int) {
        self.limit = limit
        self.keepAtMost = keepAtMost
    }

    /// All bytes are here and kept, so the call can be made more than once.
    package var isWhole: Bool { state == .complete && !forgotten }

    /// Calls back once the body is complete or the kept part is full: at once where it is so already.
    package func whenReady(_ ready: @escaping () -> Void) {
        if state != .receiving || received >= keepAtMost {
            ready()
        } else {
            onReady = ready
            demand(true)
        }
    }

    /// From here on bytes go to the sink, which has been given `kept` before.
    package func flow(into sink: @escaping (Piece) -> Void) {
        self.sink = sink
        if state == .receiving { demand(true) }
    }

    /// The sink is full, or takes more again.
    package func setDemand(_ wanted: Bool) {
        if state == .receiving { demand(wanted) }
    }

    /// - Returns: `false` where the body is larger than allowed.
    package func receive(_ bytes: ByteBuffer) -> Bool {
        guard state == .receiving else { return true }
        received += bytes.readableBytes
        guard received <= limit else {
            state = .broken
            demand(false)
            return false
        }
        if let sink {
            if received <= keepAtMost, !forgotten { keep(bytes) } else { forgotten = true }
            sink(.bytes(bytes))
        } else {
            keep(bytes)
            if received >= keepAtMost {
                demand(false)
                becomeReady()
            }
        }
        return true
    }

    package func end() {
        guard state == .receiving else { return }
        state = .complete
        let sink = self.sink
        self.sink = nil
        sink?(.end)
        becomeReady()
    }

    package func breakOff() {
        if state == .receiving { state = .broken }
        onReady = nil
        sink = nil
        source = nil
    }

    private func demand(_ wanted: Bool) {
        if wanted { source?.readBody() } else { source?.pauseBody() }
    }

    private func keep(_ bytes: ByteBuffer) {
        if kept.readableBytes == 0 {
            kept = bytes
        } else {
            kept.writeImmutableBuffer(bytes)
        }
    }

    private func becomeReady() {
        guard let ready = onReady else { return }
        onReady = nil
        ready()
    }
}
