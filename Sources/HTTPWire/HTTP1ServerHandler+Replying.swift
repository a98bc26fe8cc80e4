internal import NIOCore

/// Replies, and how their bytes leave.
extension HTTP1ServerHandler {
    /// A body up to this size is copied behind its head: that costs less than a second buffer in the write.
    private static let copiedBody = 2048

    func respond(status: Int, fields: consuming ReplyFields, body: ByteBuffer) {
        let length = body.readableBytes
        guard var head = begin(status: status, fields: consume fields, body: .fixed(length)) else { return }
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
        guard let head = begin(status: status, fields: consume fields, body: body) else { return }
        // An upstream's answer brings the first bytes of its body in the same turn, nearly always.
        written &+= head.readableBytes
        held = head
        needsFlush = true
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
            fields: consume fields,
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

    func follow(_ after: ConnectionState.AfterReply) {
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

    func send(_ bytes: ByteBuffer) {
        guard let context, bytes.readableBytes > 0 else { return }
        written &+= bytes.readableBytes
        needsFlush = true
        if held.readableBytes > 0, bytes.readableBytes <= Self.copiedBody {
            held.writeImmutableBuffer(bytes)
        } else {
            sendHeld()
            context.write(wrapOutboundOut(bytes), promise: nil)
        }
    }

    private func sendHeld() {
        guard let context, held.readableBytes > 0 else { return }
        let bytes = held
        held = ByteBuffer()
        context.write(wrapOutboundOut(bytes), promise: nil)
    }

    /// Flushes what is written in one turn of the loop together.
    /// - Parameter isComplete: nothing more follows in this turn, so there is nothing to wait for.
    func flushSoon(isComplete: Bool) {
        guard needsFlush, !isInReadCycle, !isTaking, let context else { return }
        if isComplete {
            flush()
        } else if !isFlushScheduled {
            isFlushScheduled = true
            flushes.add(self, on: context.eventLoop)
        }
    }

    func flushIsDue() {
        isFlushScheduled = false
        if needsFlush { flush() }
    }

    func flush() {
        guard let context else { return }
        needsFlush = false
        sendHeld()
        context.flush()
        if !isWritable {
            timer.watchWrites(taken: taken, now: context.eventLoop.now)
            schedule()
        }
    }

    /// A count that grows as the client takes bytes.
    ///
    /// TCP's acknowledged bytes where there is TCP: what the kernel keeps is megabytes, and it lets more in only when a third
    /// of it is free, which a slow client takes minutes for.
    var taken: Int {
        if let channel = context?.channel, let acknowledged = TCPProgress.acknowledgedBytes(of: channel) {
            return acknowledged
        }
        // A channel that cannot tell is taken to have sent everything; its own errors end it.
        let kept = try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)
        return written &- (kept ?? 0)
    }

    func closeAfterFlush() {
        guard let context else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { [self] _ in flushed() }
        timer.watchWrites(taken: taken, now: context.eventLoop.now)
        needsFlush = false
        sendHeld()
        // Done when everything written before it is.
        context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
        settle()
    }
}
