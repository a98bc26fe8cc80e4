internal import NIOCore

/// What one HTTP/1.1 connection does next. Pure: its handler does the I/O and tells it what happened.
///
///     awaitingHead ─head─▶ exchange ─reply ended─▶ awaitingHead        the request was read to its end
///                                   ├────────────▶ discarding          its rest is read off first
///                                   └────────────▶ flushing            the connection is not used again
///     discarding ─body ended─▶ awaitingHead    ─too much─▶ flushing
///     flushing ─written─▶ closed               ─client may still send─▶ lingering ─▶ closed
package struct ConnectionState {
    /// What may be taken out of the received bytes now.
    package enum Step: Equatable { case head, body, discardedBody, nothing }

    /// What follows the end of a reply.
    package enum AfterReply: Equatable {
        /// Go on with what was received.
        case proceed
        /// Write out everything, then close or linger.
        case flushAndClose
        /// Everything written goes out, but the client must not take it for a whole reply.
        case flushAndReset
    }

    package enum AfterFlush: Equatable { case close, linger }

    /// What an error in the received bytes leads to.
    package enum AfterError: Equatable {
        /// Nothing was sent for this request yet: say what is wrong, then close.
        case answer
        case cut(AfterReply)
    }

    struct Exchange: Equatable {
        var hasBody: Bool
        var expectsContinue: Bool
        /// Whether every byte of the request was taken.
        var requestEnded: Bool
        /// Whether the receiver knows it.
        var endTold = false
        var isReading = false
        /// nil: the reply has not begun.
        var framing: ReplyFraming?
        var keepsAlive: Bool
    }

    enum Phase: Equatable {
        case awaitingHead
        case exchange(Exchange)
        case discarding(left: Int)
        case flushing(lingers: Bool)
        case lingering
        case closed
    }

    private(set) var phase = Phase.awaitingHead
    private(set) var isDraining = false
    private(set) var hasServed = false
    private let limits: WireLimits

    package init(limits: WireLimits) {
        self.limits = limits
    }

    // MARK: Receiving

    /// - Parameter isWritable: an answered client that takes nothing gets no further request read.
    package func step(isWritable: Bool) -> Step {
        switch phase {
        case .awaitingHead: isWritable ? .head : .nothing
        case .exchange(let exchange): exchange.isReading && !exchange.endTold ? .body : .nothing
        case .discarding: .discardedBody
        case .flushing, .lingering, .closed: .nothing
        }
    }

    /// Whether to have a read outstanding, after everything that may be taken was.
    ///
    /// While a reply is awaited one is, so that a client that leaves is noticed; what it brings instead stays unparsed, and
    /// no other follows.
    /// - Parameter holdsBytes: received, not yet taken.
    package func wantsRead(holdsBytes: Bool, isWritable: Bool) -> Bool {
        switch phase {
        case .awaitingHead: isWritable
        case .exchange(let exchange): exchange.isReading && !exchange.endTold || !holdsBytes
        case .discarding, .lingering: true
        case .flushing, .closed: false
        }
    }

    /// What the client's time is measured for.
    package func wait(holdsBytes: Bool, isWritable: Bool) -> ConnectionTimer.Wait {
        switch phase {
        case .awaitingHead where !isWritable: .none
        case .awaitingHead: holdsBytes || !hasServed ? .head : .request
        case .exchange(let exchange): exchange.isReading && !exchange.endTold ? .body : .none
        case .discarding: .body
        case .lingering: .linger
        case .flushing, .closed: .none
        }
    }

    /// Whether what comes is thrown away unseen.
    package var dropsBytes: Bool {
        switch phase {
        case .flushing, .lingering, .closed: true
        case .awaitingHead, .exchange, .discarding: false
        }
    }

    package mutating func headArrived(hasBody: Bool, expectsContinue: Bool, keepsAlive: Bool) {
        precondition(phase == .awaitingHead, "one request at a time")
        hasServed = true
        phase = .exchange(
            Exchange(
                hasBody: hasBody,
                expectsContinue: expectsContinue,
                requestEnded: !hasBody,
                keepsAlive: keepsAlive
            )
        )
    }

    /// - Returns: whether "100 Continue" is to be sent.
    package mutating func readingAsked(holdsBytes: Bool) -> Bool {
        guard case .exchange(var exchange) = phase else { return false }
        exchange.isReading = true
        // Who has begun to send waits for nothing any more (RFC 9110, 10.1.1).
        let sends = exchange.expectsContinue && !holdsBytes && exchange.framing == nil
        // Once a final status is under way "100 Continue" is too late: the client may have given up the body.
        if exchange.framing == nil { exchange.expectsContinue = false }
        phase = .exchange(exchange)
        return sends
    }

    package mutating func readingPaused() {
        guard case .exchange(var exchange) = phase else { return }
        exchange.isReading = false
        phase = .exchange(exchange)
    }

    /// All of the body was taken.
    /// - Returns: whether the receiver is to be told.
    package mutating func bodyEnded() -> Bool {
        switch phase {
        case .exchange(var exchange):
            exchange.requestEnded = true
            exchange.endTold = true
            phase = .exchange(exchange)
            return true
        case .discarding:
            phase = .awaitingHead
            return false
        default: return false
        }
    }

    /// - Returns: false where that was too much: write out everything, then linger.
    package mutating func bodyDiscarded(_ count: Int) -> Bool {
        guard case .discarding(let left) = phase else { return true }
        guard count <= left else {
            phase = .flushing(lingers: true)
            return false
        }
        phase = .discarding(left: left - count)
        return true
    }

    /// What was received is not HTTP, or did not come in time. The client may still be sending.
    package mutating func malformed() -> AfterError {
        switch phase {
        case .exchange(let exchange) where exchange.framing == .untilClose:
            phase = .flushing(lingers: false)
            return .cut(.flushAndReset)
        case .exchange(let exchange) where exchange.framing != nil:
            phase = .flushing(lingers: true)
            return .cut(.flushAndClose)
        case .awaitingHead, .exchange:
            phase = .flushing(lingers: true)
            return .answer
        case .discarding:
            phase = .flushing(lingers: true)
            return .cut(.flushAndClose)
        case .flushing, .lingering, .closed: return .cut(.proceed)
        }
    }

    // MARK: Replying

    package var isReplying: Bool {
        if case .exchange = phase { true } else { false }
    }

    /// The framing of a reply that has begun and not ended.
    package var framing: ReplyFraming? {
        if case .exchange(let exchange) = phase { exchange.framing } else { nil }
    }

    /// A reply begins.
    /// - Parameter bodyRemaining: of the request, if known.
    /// - Returns: whether the connection is used again, as far as is known now.
    package mutating func replyStarted(_ framing: ReplyFraming, bodyRemaining: Int?) -> Bool {
        guard case .exchange(var exchange) = phase else { return false }
        if framing == .untilClose || isDraining { exchange.keepsAlive = false }
        // Whether the client sends the body after this is its choice, so what comes next cannot be known.
        if exchange.expectsContinue, !exchange.requestEnded { exchange.keepsAlive = false }
        if !exchange.requestEnded, !exchange.isReading, let bodyRemaining, bodyRemaining > limits.maxDiscardedBody {
            exchange.keepsAlive = false
        }
        exchange.framing = framing
        phase = .exchange(exchange)
        return exchange.keepsAlive
    }

    /// - Returns: how many of the bytes belong to the reply; the rest is dropped.
    package mutating func replyBytes(_ count: Int) -> Int {
        guard case .exchange(var exchange) = phase, let framing = exchange.framing else { return 0 }
        switch framing {
        case .empty: return 0
        case .chunked, .untilClose: return count
        case .fixed(let remaining):
            let taken = min(count, remaining)
            exchange.framing = .fixed(remaining: remaining - taken)
            phase = .exchange(exchange)
            return taken
        }
    }

    package mutating func replyEnded() -> AfterReply {
        guard case .exchange(let exchange) = phase else { return .proceed }
        if case .fixed(let remaining) = exchange.framing, remaining > 0 { return replyCut() }
        guard exchange.keepsAlive, !isDraining else {
            phase = .flushing(lingers: !exchange.requestEnded)
            return .flushAndClose
        }
        phase = exchange.requestEnded ? .awaitingHead : .discarding(left: limits.maxDiscardedBody)
        return .proceed
    }

    /// The reply breaks off.
    package mutating func replyCut() -> AfterReply {
        guard case .exchange(let exchange) = phase else { return .proceed }
        phase = .flushing(lingers: false)
        // Where the end is the connection's end, only a reset differs from it.
        return exchange.framing == .untilClose ? .flushAndReset : .flushAndClose
    }

    package mutating func flushed() -> AfterFlush {
        guard case .flushing(lingers: true) = phase else { return .close }
        phase = .lingering
        return .linger
    }

    // MARK: Ending

    /// No request is begun any more.
    /// - Parameter holdsBytes: of a head that has begun, which is served.
    /// - Returns: whether to close now, after what was written.
    package mutating func drain(holdsBytes: Bool) -> Bool {
        isDraining = true
        guard phase == .awaitingHead, !holdsBytes else { return false }
        phase = .flushing(lingers: false)
        return true
    }

    /// - Returns: whether a request's receiver is to be told.
    package mutating func closed() -> Bool {
        let wasReplying = isReplying
        phase = .closed
        return wasReplying
    }
}
