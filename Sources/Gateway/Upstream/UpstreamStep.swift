internal import CurlClient
internal import Dialects
internal import HTTPWire
internal import NIOCore
internal import Pacing

/// Sends the call and hands its answer on.
extension OutboundCall: TransferReceiver {
    /// - Parameter grant: the slot; `nil` where no quota covers the call.
    func attempt(grant: Grant?) {
        let now = worker.now()
        self.grant = grant
        switch request.upstream.breaker.ask(now: now) {
        case .go: isTrial = false
        case .trial: isTrial = true
        case .refused(let wait):
            releaseUnusedGrant()
            refuse(.breakerOpen(upstream: request.upstream.name, retryAfter: wait))
            return
        }
        usedGrant = nil
        head429 = nil
        answer = .none
        startedCall = now
        upstreamSince = now
        tries += 1
        let body: TransferBody
        if request.body.isWhole {
            body = request.body.kept.readableBytes == 0 ? .none : .bytes(request.body.kept)
        } else {
            body = .stream(length: request.body.declaredLength)
        }
        let transferRequest = TransferRequest(
            method: request.head.method.name,
            url: request.upstream.origin,
            target: request.upstream.target(for: request.head, stripping: request.route.stripPrefix),
            fields: UpstreamFields.make(
                for: request,
                timeLeft: request.deadlines.end.map { $0.at - now },
                worker: worker
            ),
            body: body,
            timeouts: request.upstream.timeouts,
            caFile: request.upstream.caFile
        )
        timings.calledUpstream = true
        timings.firstByte = nil
        state = .calling(worker.curl[request.upstream.index].start(transferRequest, receiver: self))
    }

    func transferMayStart() -> Bool {
        guard let slot = grant ?? usedGrant else { return true }
        guard worker.now() <= slot.deadline else { return false }
        // From here on bytes may have left: the slot is used, whatever becomes of the call.
        usedGrant = slot
        grant = nil
        return true
    }

    func transferNeedsBody() {
        guard case .calling(let transfer) = state else { return }
        if uploadStarted {
            request.body.setDemand(true)
        } else {
            uploadStarted = true
            if request.body.kept.readableBytes > 0 { transfer.send(request.body.kept) }
            if request.body.state == .complete {
                transfer.finishBody()
            } else {
                request.body.flow { self.take($0) }
            }
        }
    }

    /// The rest of a body that is larger than what is kept, chunk by chunk.
    private func take(_ piece: RequestBody.Piece) {
        guard case .calling(let transfer) = state else { return }
        switch piece {
        case .bytes(let bytes):
            // One chunk at a time: the next is asked for when the transfer has taken this one.
            request.body.setDemand(false)
            transfer.send(bytes)
        case .end: transfer.finishBody()
        }
    }

    func transferHead(status: Int, fields: ByteBuffer) {
        timings.firstByte = worker.now() - startedCall
        noteOutcome(status: status)
        guard let block = try? FieldBlock(parsing: fields) else {
            // An answer whose fields cannot be read is as good as none.
            fail(.upstreamBroke(upstream: request.upstream.name, reason: "its answer's fields are malformed"))
            return
        }
        let head = AnswerHead(status: status, fields: block, timings: timings, length: block.bodyLength)
        if status == 429, request.upstream.queue != nil, usedGrant != nil {
            answer = .reading429
            head429 = head
            body429.clear()
            return
        }
        if status >= 500, mayRetry(.status(status)), let pause = retryPause(asked: block.retryAfter) {
            answer = .discarding(pause)
            return
        }
        pass(head)
    }

    func pass(_ head: AnswerHead) {
        var head = head
        bookUpstream()
        head.timings = timings
        answer = .passing
        if head.status == 200, request.upstream.dialect == .gemini { usage = UsageScanner() }
        recipient.answerHead(head)
    }

    func transferBody(_ bytes: ByteBuffer) {
        switch answer {
        case .passing:
            usage?.feed(bytes)
            recipient.answerBytes(bytes)
        case .reading429:
            if body429.readableBytes < Self.refusalBytes { body429.writeImmutableBuffer(bytes) }
        case .discarding, .none: break
        }
    }

    func transferEnded(_ result: Result<TransferSummary, TransferError>) {
        guard case .calling = state else { return }
        switch (answer, result) {
        case (.passing, .success):
            settleTokens(isWhole: true)
            guard close() else { return }
            recipient.answerEnded(timings)
        case (.passing, .failure):
            // What was passed on cannot be taken back: it must look cut off, not complete.
            noteFailure()
            guard close() else { return }
            recipient.answerBroke()
        case (.discarding(let pause), _): pauseForRetry(pause)
        case (.reading429, _): learnFrom429()
        case (.none, .success):
            fail(.upstreamBroke(upstream: request.upstream.name, reason: "it ended without an answer"))
        case (.none, .failure(let error)): failed(error)
        }
    }

    private static let refusalBytes = 64 << 10
}

extension OutboundCall: AnswerSource {
    func pauseAnswer() { if case .calling(let transfer) = state { transfer.pause() } }
    func resumeAnswer() { if case .calling(let transfer) = state { transfer.resume() } }
}
