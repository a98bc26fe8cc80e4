internal import Dialects
internal import HTTPWire
internal import NIOCore
internal import Pacing

/// What becomes of a slot that was not used, and of a call that goes back to the queue: its slot ran out before it was
/// sent, or the upstream answered 429.
extension OutboundCall {
    /// Gives back a slot of which no byte was sent.
    func releaseUnusedGrant() {
        guard let unused = grant else { return }
        grant = nil
        request.upstream.queue?.handBack(unused, requeue: false)
    }

    /// The slot ran out before the connection was ready: back to the front of the queue.
    func returnToQueue() {
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
    func learnFrom429() {
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
}
