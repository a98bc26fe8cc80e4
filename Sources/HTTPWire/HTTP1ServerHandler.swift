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

    private let delegate: any ServerDelegate
    let serializer: ReplySerializer
    let flushes: FlushBatch
    var state: ConnectionState
    var parser: RequestParser
    var timer: ConnectionTimer
    var context: ChannelHandlerContext?

    /// Received and not yet taken.
    private var inbound = ByteBuffer()
    private var exchange = HTTP1Exchange()
    private var receiver: (any RequestReceiver)?
    var isHead = false
    var minorVersion = 1
    /// Of a request whose body is still to be taken, for the answer where it turns out malformed.
    private var target: ByteBufferView?

    private(set) var isWritable = true
    private var isReadOutstanding = false
    var isInReadCycle = false
    var isTaking = false
    private var bodyProgressed = false

    var needsFlush = false
    /// The head of a reply, to which small parts of its body are added until the flush. Nobody else has this buffer.
    var held = ByteBuffer()
    var isFlushScheduled = false
    /// Bytes written to the channel so far.
    var written = 0
    var resetsOnClose = false

    var scheduledCallback: NIOScheduledCallback?
    var scheduledFor: NIODeadline?

    /// - Parameters:
    ///   - delegate: kept.
    ///   - date: may be shared by the connections of one loop.
    ///   - flushes: likewise.
    package init(
        limits: WireLimits,
        timeouts: WireTimeouts,
        delegate: any ServerDelegate,
        date: DateField = DateField(),
        flushes: FlushBatch = FlushBatch()
    ) {
        self.delegate = delegate
        serializer = ReplySerializer(date: date)
        self.flushes = flushes
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
        held = ByteBuffer()
        let receiver = release()
        if isPending { receiver?.clientGone(.closed) }
    }

    // MARK: Requests

    /// Takes out of the received bytes all that may be taken. A loop, so that sent-ahead requests do not recurse.
    func take() {
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
    func release() -> (any RequestReceiver)? {
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

    // MARK: Reading and time

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
