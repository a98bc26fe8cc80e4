internal import CurlClient
internal import Dialects
internal import HTTPWire
internal import NIOCore
internal import Pacing

/// One call on its way: waits for its slot, is sent, is tried again where that is safe, and hands the answer on.
///
/// Loop-confined. Ends exactly once: with one last call to its recipient, or silently after `cancel()`.
final class OutboundCall {
    enum State {
        case idle
        case entering
        case queued(WaiterID)
        case calling(Transfer)
        /// Between two tries.
        case pausing(Scheduled<Void>)
        case ended
    }

    enum Answer: Equatable {
        case none
        /// Passed on.
        case passing
        /// Read to its end and thrown away: the call is tried again after the pause.
        case discarding(TimeAmount)
        /// A 429, read to its end to learn from it.
        case reading429
    }

    let request: OutboundRequest
    let worker: Worker
    let recipient: any AnswerRecipient
    var state = State.idle
    var answer = Answer.none
    var timings = CallTimings()
    /// The slot, as long as no byte of the call was sent.
    var grant: Grant?
    /// The slot that the call was sent in.
    var usedGrant: Grant?
    /// What it takes of which buckets.
    var charges: [QuotaCharge] = []
    /// Known where a quota counts tokens.
    var promptSize: PromptSize?
    var tries = 0
    var enteredQueue: NIODeadline?
    /// Its body counts among those of calls that wait.
    var holdsWaitingBytes = false
    var startedCall = NIODeadline.uptimeNanoseconds(0)
    /// Since when the call waits for its upstream; `nil`: it does not, or has the first bytes of its answer.
    var upstreamSince: NIODeadline?
    var head429: AnswerHead?
    var body429 = ByteBuffer()
    var usage: UsageScanner?
    var isTrial = false
    var heartbeat: Scheduled<Void>?
    var endTimer: Scheduled<Void>?
    /// Its place in the queue and when its slot is expected, as last told; `nil`: the queue has not taken it yet.
    var position: (place: Int, due: NIODeadline)?
    var uploadStarted = false

    init(request: OutboundRequest, worker: Worker, recipient: any AnswerRecipient) {
        self.request = request
        self.worker = worker
        self.recipient = recipient
    }

    /// Starts: to the queue where a quota covers the call, else at once.
    func dispatch() {
        worker.eventLoop.preconditionInEventLoop()
        armEndTimer()
        enter()
    }

    /// Nobody wants the answer any more: leaves the queue, or cuts the call.
    func cancel() {
        switch state {
        case .ended: return
        case .queued(let waiter): request.upstream.queue?.leave(waiter)
        case .calling(let transfer):
            transfer.cancel()
            releaseUnusedGrant()
        case .pausing(let timer): timer.cancel()
        case .idle, .entering: break
        }
        if isTrial { request.upstream.breaker.trialUndecided() }
        close()
    }

    /// Ends with the gateway's own answer.
    func refuse(_ refusal: Refusal) {
        guard close() else { return }
        recipient.answerRefused(refusal, timings)
    }

    /// With what the call waits for at this moment.
    var timingsNow: CallTimings {
        var timings = timings
        let now = worker.now()
        if let since = upstreamSince { timings.upstream = timings.upstream + (now - since) }
        if let since = enteredQueue { timings.queue = timings.queue + (now - since) }
        return timings
    }

    /// Books what went by as the upstream's time.
    func bookUpstream() {
        guard let since = upstreamSince else { return }
        upstreamSince = nil
        timings.upstream = timings.upstream + (worker.now() - since)
    }

    @discardableResult
    func close() -> Bool {
        if case .ended = state { return false }
        state = .ended
        bookUpstream()
        // Where the answer came to its end this was done before: it broke off, or nobody waits for the rest.
        settleTokens(isWhole: false)
        // A slot knows its waiter, and the waiter this call.
        usedGrant = nil
        endTimer?.cancel()
        endTimer = nil
        leaveWaiting()
        return true
    }

    private func armEndTimer() {
        guard let deadline = request.deadlines.end else { return }
        endTimer = worker.eventLoop.assumeIsolated().scheduleTask(deadline: deadline.at) { [weak self] in
            self?.outOfTime(deadline)
        }
    }

    private func outOfTime(_ deadline: Deadline) {
        let wasQueued: Bool
        if case .queued = state { wasQueued = true } else { wasQueued = false }
        let broken = answer == .passing
        undoForEnd()
        guard close() else { return }
        if broken {
            recipient.answerBroke()
        } else {
            recipient.answerRefused(
                wasQueued ? .noSlotInTime(setting: deadline.setting) : .callTimedOut(setting: deadline.setting),
                timings
            )
        }
    }

    private func undoForEnd() {
        switch state {
        case .queued(let waiter): request.upstream.queue?.leave(waiter)
        case .calling(let transfer):
            transfer.cancel()
            releaseUnusedGrant()
            if isTrial { request.upstream.breaker.trialUndecided() }
        case .pausing(let timer): timer.cancel()
        case .idle, .entering, .ended: break
        }
    }
}
