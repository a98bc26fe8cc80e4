internal import NIOCore

/// One TCP connection to Redis from its opening to its end: pipelines commands, matches replies, keeps deadlines.
///
/// Commands of one tick of the loop leave in one write. Does not reconnect; see `RedisLink`.
final class RedisSession: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    typealias Completion = PendingReplies.Completion

    /// What may be unanswered; above it a command is refused, so that a hanging Redis does not eat the memory.
    private static let maximumPending = 16_384
    private static let maximumPendingBytes = 64 << 20
    private static let keptBufferBytes = 64 << 10

    private let eventLoop: any EventLoop
    private let instruments: RedisInstruments
    private let onEnd: (RedisError) -> Void

    private var reader = ReplyReader()
    private var pending = PendingReplies()
    private var outgoing = ByteBuffer()
    private var isFlushScheduled = false
    private var context: ChannelHandlerContext?
    private var hasEnded = false

    private var timer: Scheduled<Void>?
    private var isLastLook = false
    /// Of the commands in `outgoing`.
    private var unsentCount = 0
    private var shortestUnsent: TimeAmount?
    private var timerDeadline = NIODeadline.distantFuture

    /// Scripts whose source left on this connection: whatever is sent later finds them loaded.
    private var knownScripts: Set<ObjectIdentifier> = []

    /// When Redis last sent anything.
    private(set) var lastHeard = NIODeadline.now()
    /// After SUBSCRIBE replies answer no command: they all go here.
    var onPush: ((RedisReply) -> Void)?
    /// Told of each error that a command was answered with, after its caller.
    var onServerError: ((RedisServerError) -> Void)?

    /// - Parameter onEnd: called once, after all commands were told.
    init(eventLoop: any EventLoop, instruments: RedisInstruments, onEnd: @escaping (RedisError) -> Void) {
        self.eventLoop = eventLoop
        self.instruments = instruments
        self.onEnd = onEnd
    }

    // MARK: Commands

    func send(_ arguments: [RedisArgument], timeout: TimeAmount, _ done: @escaping Completion) {
        guard admit(done) else { return }
        let start = outgoing.writerIndex
        outgoing.writeCommand(arguments)
        expectReply(byteCount: outgoing.writerIndex - start, timeout: timeout, script: nil, done)
    }

    func eval(_ call: ScriptCall, timeout: TimeAmount, _ done: @escaping Completion) {
        guard admit(done) else { return }
        // The first call carries the source: so calls keep their order, and SCRIPT LOAD need not be allowed.
        let isNew = knownScripts.insert(ObjectIdentifier(call.script)).inserted
        write(call, sendingSource: isNew, timeout: timeout, done)
    }

    /// Sends what is answered by pushes, or not at all.
    func sendExpectingNoReply(_ arguments: [RedisArgument]) {
        guard !hasEnded else { return }
        outgoing.writeCommand(arguments)
        scheduleFlush()
    }

    /// Closes; what is unanswered fails with `error`.
    func end(_ error: RedisError) {
        guard !hasEnded else { return }
        // The last words of who closes: they wait for the end of the tick.
        flush()
        hasEnded = true
        timer?.cancel()
        timer = nil
        context?.close(promise: nil)
        let waiting = pending.drain()
        instruments.counters.lost += waiting.count
        for done in waiting { done(.failure(error)) }
        onPush = nil
        onServerError = nil
        onEnd(error)
    }

    private func admit(_ done: Completion) -> Bool {
        eventLoop.preconditionInEventLoop()
        let refusal: RedisError
        if hasEnded {
            refusal = .notConnected
        } else if pending.count >= Self.maximumPending || pending.byteCount >= Self.maximumPendingBytes {
            refusal = .overloaded
        } else {
            return true
        }
        instruments.counters.refused += 1
        done(.failure(refusal))
        return false
    }

    private func write(_ call: ScriptCall, sendingSource: Bool, timeout: TimeAmount, _ done: @escaping Completion) {
        let start = outgoing.writerIndex
        call.write(sendingSource: sendingSource, into: &outgoing)
        expectReply(
            byteCount: outgoing.writerIndex - start,
            timeout: timeout,
            script: sendingSource ? nil : call,
            done
        )
    }

    private func expectReply(
        byteCount: Int,
        timeout: TimeAmount,
        script: ScriptCall?,
        _ done: @escaping Completion
    ) {
        let entry = PendingReplies.Entry(
            done: done,
            sentAt: .now(),
            timeout: timeout,
            byteCount: byteCount,
            script: script
        )
        pending.append(entry)
        unsentCount += 1
        shortestUnsent = min(shortestUnsent ?? timeout, timeout)
        instruments.counters.commands += 1
        scheduleFlush()
    }

    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        eventLoop.assumeIsolated().execute { self.flush() }
    }

    private func flush() {
        isFlushScheduled = false
        guard let context, !hasEnded, outgoing.readableBytes > 0 else { return }
        startClocks(now: .now())
        context.writeAndFlush(wrapOutboundOut(outgoing), promise: nil)
        if outgoing.capacity > Self.keptBufferBytes {
            outgoing = ByteBuffer()
        } else {
            outgoing.clear()
        }
    }

    // MARK: Deadlines

    /// A command's time begins when it leaves: what the loop did before is not Redis's fault.
    private func startClocks(now: NIODeadline) {
        pending.markSent(last: unsentCount, at: now)
        unsentCount = 0
        guard let shortest = shortestUnsent else { return }
        shortestUnsent = nil
        if now + shortest < timerDeadline { setTimer(now + shortest) }
    }

    private static let lastLook = TimeAmount.milliseconds(1)

    /// One timer a connection: a later, shorter deadline moves it; one that was met lets it fire for nothing.
    private func setTimer(_ deadline: NIODeadline) {
        timer?.cancel()
        timerDeadline = deadline
        timer = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { self.timerFired() }
    }

    private func timerFired() {
        guard !hasEnded else { return }
        timer = nil
        timerDeadline = .distantFuture
        // A reply that came while the loop was busy lies in the socket: it is read before anybody is told that it is late.
        guard isLastLook else {
            isLastLook = true
            return setTimer(.now() + Self.lastLook)
        }
        isLastLook = false
        let expiry = pending.expire(now: .now(), lastHeard: lastHeard)
        if let next = expiry.next, !expiry.isSilent { setTimer(next) }
        instruments.counters.timeouts += expiry.overdue.count
        for done in expiry.overdue { done(.failure(.timedOut)) }
        if expiry.isSilent { end(.connectionLost) }
    }

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasEnded else { return }
        let now = NIODeadline.now()
        lastHeard = now
        do {
            try reader.feed(unwrapInboundIn(data))
            while !hasEnded, let reply = try reader.next() { take(reply, now: now) }
        } catch {
            end(.malformedReply)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.connectionLost)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { end(.connectionLost) }

    private func take(_ reply: RedisReply, now: NIODeadline) {
        if let onPush { return onPush(reply) }
        guard let entry = pending.popFirst() else { return end(.malformedReply) }
        instruments.latencyObserver?(now - entry.sentAt)
        guard let done = entry.done else {
            instruments.counters.lateReplies += 1
            return
        }
        if case .error(let error) = reply {
            if let script = entry.script, error.code == "NOSCRIPT" {
                // Redis forgot it (SCRIPT FLUSH, eviction): nothing ran, so it may go again, within the time that is left.
                instruments.counters.commands -= 1
                return write(script, sendingSource: true, timeout: max(entry.deadline - now, .zero), done)
            }
            instruments.counters.serverErrors += 1
            instruments.counters.replies += 1
            done(.failure(.server(error)))
            onServerError?(error)
            return
        }
        instruments.counters.replies += 1
        done(.success(reply))
    }
}
