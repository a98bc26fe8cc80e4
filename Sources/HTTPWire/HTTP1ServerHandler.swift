package import NIOCore

/// One HTTP/1.1 connection of a server: does what `ConnectionState` decides with what `RequestParser` finds.
///
/// One request at a time: what a client sends ahead stays unparsed until the reply before it is complete. Reading is on
/// demand: auto-read is switched off. While a reply is awaited one read is outstanding, so what is held unasked is at most
/// what one read brings, and a client that leaves is noticed; one that only shuts its sending side has left too, as with
/// nginx. On the way of a usual request nothing is scheduled and no promise is made.
package final class HTTP1ServerHandler: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    /// A body up to this size is copied behind its head: that costs less than a second write.
    private static let copiedBody = 2048

    private let delegate: any ServerDelegate
    private let serializer: ReplySerializer
    var state: ConnectionState
    private var parser: RequestParser
    var timer: ConnectionTimer
    var context: ChannelHandlerContext?

    /// Received and not yet taken.
    private var inbound = ByteBuffer()
    private var exchange = HTTP1Exchange()
    private var receiver: (any RequestReceiver)?
    private var isHead = false
    private var minorVersion = 1
    /// Of a request whose body is still to be taken, for the answer where it turns out malformed.
    private var target: ByteBufferView?

    private(set) var isWritable = true
    private var isReadOutstanding = false
    private var isInReadCycle = false
    private var isTaking = false
    private var bodyProgressed = false

    private var needsFlush = false
    private var isFlushScheduled = false
    /// Bytes written to the channel so far.
    private var written = 0
    var resetsOnClose = false

    var scheduledCallback: NIOScheduledCallback?
    var scheduledFor: NIODeadline?

    /// - Parameters:
    ///   - delegate: kept.
    ///   - date: may be shared by the connections of one loop.
    package init(
        limits: WireLimits,
        timeouts: WireTimeouts,
        delegate: any ServerDelegate,
        date: DateField = DateField()
    ) {
        self.delegate = delegate
        serializer = ReplySerializer(date: date)
        state = ConnectionState(limits: limits)
        parser = RequestParser(limits: limits)
        timer = ConnectionTimer(timeouts: timeouts)
    }

    /// Finishes the current request, then closes; an idle connection is closed now. On the connection's loop.
    package func drain() {
        context?.eventLoop.preconditionInEventLoop()
        if state.drain(holdsBytes: inbound.readableBytes > 0) { closeAfterFlush() }
    }

    // MARK: Channel

    package func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        isWritable = context.channel.isWritable
        // Where the option cannot be set more is read than asked for, which is kept like what is sent ahead.
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        if context.channel.isActive { settle() }
    }

    package func handlerRemoved(context: ChannelHandlerContext) {
        connectionClosed()
        self.context = nil
    }

    package func channelActive(context: ChannelHandlerContext) {
        settle()
        context.fireChannelActive()
    }

    package func channelInactive(context: ChannelHandlerContext) {
        connectionClosed()
        context.fireChannelInactive()
    }

    package func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // Resets and TLS errors: the client is gone, and channelInactive follows.
        context.close(promise: nil)
    }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            context.close(promise: nil)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isInReadCycle = true
        guard !state.dropsBytes else { return }
        var bytes = unwrapInboundIn(data)
        if inbound.readableBytes == 0 {
            inbound = bytes
        } else {
            inbound.writeBuffer(&bytes)
        }
        take()
    }

    package func channelReadComplete(context: ChannelHandlerContext) {
        isInReadCycle = false
        isReadOutstanding = false
        if needsFlush { flush() }
        settle()
    }

    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        guard isWritable else { return }
        if !state.dropsBytes { timer.stopWatchingWrites() }
        receiver?.replyWritable()
        take()
    }

    /// What is received from a connection that is done with matters no more, but its receiver is told.
    private func connectionClosed() {
        let isPending = state.closed()
        cancelCallback()
        timer.stopWatchingWrites()
        inbound = ByteBuffer()
        let receiver = release()
        if isPending { receiver?.clientGone(.closed) }
    }

    // MARK: Requests

    /// Takes out of the received bytes all that may be taken. A loop, so that sent-ahead requests do not recurse.
    private func take() {
        guard !isTaking else { return }
        isTaking = true
        taking: while true {
            do throws(WireError) {
                switch state.step(isWritable: isWritable) {
                case .head:
                    guard inbound.readableBytes > 0, let head = try parser.nextHead(&inbound) else { break taking }
                    begin(head)
                case .body:
                    switch try parser.nextBody(&inbound) {
                    case .bytes(let bytes):
                        bodyProgressed = true
                        receiver?.bodyBytes(bytes)
                    case .end:
                        target = nil
                        if state.bodyEnded() { receiver?.bodyEnded() }
                    case .incomplete: break taking
                    }
                case .discardedBody:
                    switch try parser.nextBody(&inbound) {
                    case .bytes(let bytes):
                        bodyProgressed = true
                        if !state.bodyDiscarded(bytes.readableBytes) { closeAfterFlush() }
                    case .end: _ = state.bodyEnded()
                    case .incomplete: break taking
                    }
                case .nothing: break taking
                }
            } catch {
                fail(error)
                break taking
            }
        }
        isTaking = false
        // Keeping an empty buffer would keep the memory that it was read into.
        if inbound.readableBytes == 0 { inbound = ByteBuffer() }
        guard !isInReadCycle else { return }
        if needsFlush { flush() }
        settle()
    }

    private func begin(_ head: RequestHead) {
        guard let context else { return }
        // A request that is answered at once would otherwise not end the wait that it was read in.
        timer.stopWaiting()
        let hasBody = !parser.bodyHasEnded
        state.headArrived(hasBody: hasBody, expectsContinue: head.expectsContinue, keepsAlive: head.keepsAlive)
        isHead = head.method == .head
        minorVersion = head.minorVersion
        target = hasBody ? head.target : nil
        if !isKnownUniquelyReferenced(&exchange) { exchange = HTTP1Exchange() }
        exchange.handler = self
        let receiver = delegate.request(head, reply: exchange, channel: context.channel)
        if state.isReplying { self.receiver = receiver }
    }

    /// The request is over: its receiver and its writer are let go.
    private func release() -> (any RequestReceiver)? {
        exchange.handler = nil
        target = nil
        defer { receiver = nil }
        return receiver
    }

    /// What came is not HTTP, or did not come in time.
    private func fail(_ error: WireError) {
        let isInBody = state.isReplying
        let partialTarget = target ?? (isInBody ? nil : RequestParser.partialTarget(in: inbound))
        let after = state.malformed()
        let receiver = release()
        switch after {
        case .answer:
            let answer = delegate.malformed(error, partialTarget: partialTarget)
            let length = ReplyBody.fixed(answer.body.readableBytes)
            let head = serializer.head(
                status: answer.status,
                fields: answer.fields,
                body: length,
                framing: ReplyFraming(
                    status: answer.status,
                    body: length,
                    isHead: isInBody && isHead,
                    minorVersion: minorVersion
                ),
                minorVersion: minorVersion,
                keepsAlive: false
            )
            send(head)
            if !(isInBody && isHead) { send(answer.body) }
            closeAfterFlush()
        case .cut(let afterReply): follow(afterReply)
        }
        inbound = ByteBuffer()
        if isInBody { receiver?.clientGone(.malformedBody(error)) }
    }

    // MARK: Replies

    func readBody() {
        context?.eventLoop.preconditionInEventLoop()
        if state.readingAsked(holdsBytes: inbound.readableBytes > 0) {
            send(ReplySerializer.continue)
            flushSoon(isComplete: true)
        }
        take()
    }

    func pauseBody() {
        context?.eventLoop.preconditionInEventLoop()
        state.readingPaused()
        settle()
    }

    func respond(status: Int, fields: consuming ReplyFields, body: ByteBuffer) {
        let length = body.readableBytes
        guard var head = begin(status: status, fields: fields, body: .fixed(length)) else { return }
        if state.replyBytes(length) == 0 {
            send(head)
        } else if length <= Self.copiedBody {
            head.writeImmutableBuffer(body)
            send(head)
        } else {
            send(head)
            send(body)
        }
        end()
    }

    func start(status: Int, fields: consuming ReplyFields, body: ReplyBody) {
        guard let head = begin(status: status, fields: fields, body: body) else { return }
        send(head)
        flushSoon(isComplete: false)
    }

    /// - Returns: nil where a reply has begun before.
    private func begin(status: Int, fields: consuming ReplyFields, body: ReplyBody) -> ByteBuffer? {
        context?.eventLoop.preconditionInEventLoop()
        guard state.isReplying, state.framing == nil else { return nil }
        let framing = ReplyFraming(status: status, body: body, isHead: isHead, minorVersion: minorVersion)
        let keepsAlive = state.replyStarted(framing, bodyRemaining: parser.bodyRemaining)
        return serializer.head(
            status: status,
            fields: fields,
            body: body,
            framing: framing,
            minorVersion: minorVersion,
            keepsAlive: keepsAlive
        )
    }

    func write(_ bytes: ByteBuffer) {
        context?.eventLoop.preconditionInEventLoop()
        let count = state.replyBytes(bytes.readableBytes)
        guard count > 0 else { return }
        if state.framing == .chunked {
            let (line, isWhole) = serializer.chunk(bytes)
            send(line)
            if !isWhole {
                send(bytes)
                send(ReplySerializer.chunkEnd)
            }
        } else if count == bytes.readableBytes {
            send(bytes)
        } else if let part = bytes.getSlice(at: bytes.readerIndex, length: count) {
            send(part)
        }
        flushSoon(isComplete: false)
    }

    func end() {
        context?.eventLoop.preconditionInEventLoop()
        guard state.framing != nil else {
            cut()
            return
        }
        if state.framing == .chunked { send(ReplySerializer.lastChunk) }
        let after = state.replyEnded()
        _ = release()
        follow(after)
    }

    func cut() {
        context?.eventLoop.preconditionInEventLoop()
        let after = state.replyCut()
        _ = release()
        follow(after)
    }

    private func follow(_ after: ConnectionState.AfterReply) {
        switch after {
        case .proceed:
            flushSoon(isComplete: true)
            take()
        case .flushAndClose: closeAfterFlush()
        case .flushAndReset:
            resetsOnClose = true
            closeAfterFlush()
        }
    }

    // MARK: Writing

    private func send(_ bytes: ByteBuffer) {
        guard let context, bytes.readableBytes > 0 else { return }
        written &+= bytes.readableBytes
        context.write(wrapOutboundOut(bytes), promise: nil)
        needsFlush = true
    }

    /// Flushes what is written in one turn of the loop together.
    /// - Parameter isComplete: nothing more follows in this turn, so there is nothing to wait for.
    private func flushSoon(isComplete: Bool) {
        guard needsFlush, !isInReadCycle, !isTaking, let context else { return }
        if isComplete {
            flush()
        } else if !isFlushScheduled {
            isFlushScheduled = true
            context.eventLoop.assumeIsolated().execute { [self] in
                isFlushScheduled = false
                if needsFlush { flush() }
            }
        }
    }

    func flush() {
        guard let context else { return }
        needsFlush = false
        context.flush()
        if !isWritable {
            timer.watchWrites(taken: taken, now: context.eventLoop.now)
            schedule()
        }
    }

    /// Bytes that have left the channel, as far as it tells.
    var taken: Int {
        // A channel that cannot tell is taken to have sent everything; its own errors end it.
        let kept = try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)
        return written &- (kept ?? 0)
    }

    private func closeAfterFlush() {
        guard let context else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in flushed() }
        timer.watchWrites(taken: taken, now: context.eventLoop.now)
        needsFlush = false
        // Done when everything written before it is.
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
        settle()
    }

    // MARK: Reading and time

    /// Asks for a read where one is wanted, and lets the right time-out run.
    func settle() {
        guard let context, !isTaking else { return }
        let holdsBytes = inbound.readableBytes > 0
        timer.update(
            state.wait(holdsBytes: holdsBytes, isWritable: isWritable),
            progressed: bodyProgressed,
            now: context.eventLoop.now
        )
        bodyProgressed = false
        schedule()
        guard !isInReadCycle, !isReadOutstanding, context.channel.isActive,
            state.wantsRead(holdsBytes: holdsBytes, isWritable: isWritable)
        else { return }
        isReadOutstanding = true
        context.read()
    }

    func headTooSlow() { fail(.headerTimeout) }

    /// The client keeps us waiting in the middle of a request or a reply.
    func clientTooSlow() {
        let isPending = state.closed()
        let receiver = release()
        context?.close(promise: nil)
        if isPending { receiver?.clientGone(.timedOut) }
    }
}
