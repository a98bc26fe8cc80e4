internal import CurlClient
internal import Dialects
internal import HTTPWire
internal import NIOCore
internal import Pacing

/// Sends the call and hands its answer on; decides after each failure whether the call is tried again.
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

    // MARK: What the transfer says

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
                request.body.flow(into: self)
            }
        }
    }

    func transferHead(status: Int, fields: ByteBuffer) {
        let now = worker.now()
        timings.firstByte = now - startedCall
        noteOutcome(status: status, now: now)
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

    private func pass(_ head: AnswerHead) {
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

    // MARK: The slot

    /// Gives back a slot of which no byte was sent.
    func releaseUnusedGrant() {
        guard let unused = grant else { return }
        grant = nil
        request.upstream.queue?.handBack(unused, requeue: false)
    }

    /// The slot ran out before the connection was ready: back to the front of the queue.
    private func returnToQueue() {
        bookUpstream()
        if isTrial { request.upstream.breaker.trialUndecided() }
        guard let unused = grant, let queue = request.upstream.queue else {
            state = .idle
            return enter()
        }
        grant = nil
        tries -= 1
        waitAgain(for: unused)
        // The next slot has to live as long as connecting was seen to take, or the call would go round for ever.
        let connecting = Duration(worker.now() - startedCall)
        queue.handBack(unused, requeue: true, allowance: min(max(connecting * 2, .milliseconds(50)), .seconds(2)))
    }

    /// A 429 is not handed to a caller who has time left: the call goes back to the queue, which learns from it.
    private func learnFrom429() {
        guard let head = head429, let slot = usedGrant, let queue = request.upstream.queue else { return }
        usedGrant = nil
        worker.telemetry.upstream429(upstream: request.upstream.index)
        let refusal = UpstreamRefusal(
            body: body429,
            retryAfter: head.fields.string(.retryAfter),
            secondsSinceEpoch: WallClock.seconds()
        )
        let lesson = RefusalLesson(
            refusal,
            charges: charges,
            plan: request.upstream.quotas,
            now: Int(WallClock.seconds()),
            canRepeat: request.body.isWhole
        )
        tries -= 1
        if lesson.requeue { waitAgain(for: slot) }
        for bucket in lesson.buckets.dropFirst() {
            queue.teach(slot, bucket: bucket.name, hold: bucket.hold, learned: bucket.named.limit)
        }
        let first = lesson.buckets.first
        queue.upstreamRefused(
            slot,
            bucket: first?.name,
            hold: first == nil ? lesson.hold : first?.hold,
            learned: first?.named.limit,
            requeue: lesson.requeue
        )
        noticeElsewhere(lesson)
        if !lesson.requeue { _ = passKept429() }
    }

    /// The upstream's own words, unchanged, where the call cannot be served in time.
    func passKept429() -> Bool {
        guard let head = head429 else { return false }
        head429 = nil
        pass(head)
        recipient.answerBytes(body429)
        guard close() else { return true }
        recipient.answerEnded(timings)
        return true
    }

    private func waitAgain(for slot: Grant) {
        answer = .none
        bookUpstream()
        enteredQueue = worker.now()
        request.upstream.waitingBytes.takeAnyway(request.body.kept.readableBytes)
        holdsWaitingBytes = true
        state = .queued(slot.waiter.id)
        startHeartbeat()
    }

    // MARK: Failures

    private func failed(_ error: TransferError) {
        if case .refusedByCheck = error {
            returnToQueue()
            return
        }
        releaseUnusedGrant()
        if case .invalidRequest(let text) = error {
            // The caller's fault, not the upstream's.
            if isTrial { request.upstream.breaker.trialUndecided() }
            return refuse(.badRequest(text))
        }
        noteFailure()
        if mayRetry(error.bytesSent ? .broken : .unreachable), let pause = retryPause(asked: nil) {
            pauseForRetry(pause)
        } else {
            fail(refusal(for: error))
        }
    }

    private func refusal(for error: TransferError) -> Refusal {
        let name = request.upstream.name
        switch error {
        case .timedOut(.connect, _):
            return .upstreamUnreachable(upstream: name, reason: "no connection within upstream.connect_timeout")
        case .timedOut(.firstByte, _): return .upstreamTimedOut(upstream: name, setting: "upstream.first_byte_timeout")
        case .timedOut(.idle, _): return .upstreamTimedOut(upstream: name, setting: "upstream.idle_timeout")
        case .resolve: return .upstreamUnreachable(upstream: name, reason: "its name does not resolve")
        case .connect: return .upstreamUnreachable(upstream: name, reason: "no connection")
        case .tls(let text): return .upstreamUnreachable(upstream: name, reason: "TLS: \(text)")
        case .malformedAnswer(let text): return .upstreamBroke(upstream: name, reason: text)
        case .invalidRequest(let text): return .badRequest(text)
        case .truncated: return .upstreamBroke(upstream: name, reason: "the answer was cut off")
        default:
            return error.bytesSent
                ? .upstreamBroke(upstream: name, reason: "the connection was reset")
                : .upstreamUnreachable(upstream: name, reason: "no connection")
        }
    }

    private func fail(_ refusal: Refusal) {
        if case .calling(let transfer) = state { transfer.cancel() }
        refuse(refusal)
    }

    private func mayRetry(_ failure: RetryPolicy.Failure) -> Bool {
        // A body that is not whole may be sent again only if nothing of it was taken.
        guard request.body.isWhole || (failure == .unreachable && !uploadStarted) else { return false }
        return RetryPolicy(retries: request.upstream.retries, isIdempotent: request.isIdempotent)
            .allows(failure, after: tries - 1)
    }

    /// - Returns: `nil`: nothing could come of a try after it, and what the upstream said is the answer. The wait ends
    ///   after the time for a slot, or where none is needed after the call's own end.
    private func retryPause(asked: TimeAmount?) -> TimeAmount? {
        let pause = RetryPolicy.pause(after: tries - 1, asked: asked, random: &worker.random)
        let needsSlot = asked != nil || !charges.isEmpty
        let bound = needsSlot ? request.deadlines.slot.at : request.deadlines.end?.at ?? .distantFuture
        return worker.now() + pause < bound ? pause : nil
    }

    private func pauseForRetry(_ wait: TimeAmount) {
        worker.telemetry.retried(upstream: request.upstream.index)
        answer = .none
        state = .pausing(
            worker.eventLoop.assumeIsolated().scheduleTask(in: wait) { [self] in
                guard case .pausing = state else { return }
                // The pause is the upstream's time too: its failure made it.
                bookUpstream()
                state = .idle
                enter()
            }
        )
    }

    private func noteOutcome(status: Int, now: NIODeadline) {
        switch status {
        case 500, 502, 503, 504: noteFailure()
        case 429:
            if isTrial { worker.noteBreaker(request.upstream, request.upstream.breaker.succeeded(isTrial: isTrial)) }
        default: worker.noteBreaker(request.upstream, request.upstream.breaker.succeeded(isTrial: isTrial))
        }
    }

    private func noteFailure() {
        worker.telemetry.upstreamFailed(upstream: request.upstream.index)
        worker.noteBreaker(request.upstream, request.upstream.breaker.failed(isTrial: isTrial, now: worker.now()))
    }

    private static let refusalBytes = 64 << 10
}

extension OutboundCall: AnswerSource {
    func pauseAnswer() { if case .calling(let transfer) = state { transfer.pause() } }
    func resumeAnswer() { if case .calling(let transfer) = state { transfer.resume() } }
}

/// The rest of a body that is larger than what is kept, chunk by chunk.
extension OutboundCall: RequestBody.Sink {
    func bodyBytes(_ bytes: ByteBuffer) {
        guard case .calling(let transfer) = state else { return }
        // One chunk at a time: the next is asked for when the transfer has taken this one.
        request.body.setDemand(false)
        transfer.send(bytes)
    }

    func bodyEnded() {
        if case .calling(let transfer) = state { transfer.finishBody() }
    }
}
