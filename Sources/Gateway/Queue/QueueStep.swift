internal import CurlClient
internal import Dialects
internal import NIOCore
internal import Pacing

/// Waits for the slot of a call: all quotas that cover it have room, and it is this caller's turn.
extension OutboundCall {
    func enter() {
        let now = worker.now()
        let upstream = request.upstream
        if let wait = upstream.breaker.refusal(now: now) {
            refuse(.breakerOpen(upstream: upstream.name, retryAfter: wait))
            return
        }
        guard let queue = upstream.queue else { return attempt(grant: nil) }
        switch upstream.quotas.charges(
            model: request.shape.model,
            method: request.shape.method,
            items: request.shape.items,
            now: Int(WallClock.seconds()),
            tokens: tokenEstimate
        ) {
        case .unlimited:
            worker.telemetry.uncovered(upstream: upstream.index, model: request.shape.model)
            attempt(grant: nil)
        case .free: attempt(grant: nil)
        case .tooLarge(let quota, let holds):
            refuse(.batchTooLarge(items: request.shape.items, quota: quota, holds: holds))
        case .charges(let charges):
            self.charges = charges
            // Without room it may have a slot that is free, or hears when one would be.
            holdsWaitingBytes = upstream.waitingBytes.take(
                request.body.kept.readableBytes,
                atMost: upstream.maxWaitingBytes
            )
            enteredQueue = now
            let bound = NIOLoopBound(self, eventLoop: worker.eventLoop)
            state = .entering
            let waiter = queue.enter(
                QueueRequest(
                    costs: charges.map(\.cost),
                    client: request.caller.queueClient,
                    weight: request.caller.weight,
                    user: request.caller.fairnessKey(upstream.fairBy),
                    urgency: request.caller.urgency,
                    patience: holdsWaitingBytes ? Duration(request.deadlines.slot.at - now) : .zero,
                    wantsPosition: request.beats,
                    allowance: allowance
                ),
                on: worker.eventLoop
            ) { event in bound.value.queueSaid(event) }
            // The event may have come already.
            if case .entering = state {
                state = .queued(waiter)
                startHeartbeat()
            }
        }
    }

    private func queueSaid(_ event: QueueEvent) {
        switch state {
        case .entering, .queued: break
        default:
            // It ended while the grant was on its way: the slot goes back.
            if case .granted(let grant) = event { request.upstream.queue?.handBack(grant, requeue: false) }
            return
        }
        switch event {
        case .position(let place, let wait): position = (place, worker.now() + TimeAmount(wait))
        case .granted(let grant):
            leaveWaiting()
            attempt(grant: grant)
        case .refused(let refusal):
            let told = translate(refusal)
            leaveWaiting()
            if refusal.reason == .upstreamRefused, passKept429() { return }
            refuse(told)
        }
    }

    /// Stops counting the call as one that waits.
    func leaveWaiting() {
        stopHeartbeat()
        if let entered = enteredQueue {
            timings.queue = timings.queue + (worker.now() - entered)
            enteredQueue = nil
            if holdsWaitingBytes { request.upstream.waitingBytes.giveBack(request.body.kept.readableBytes) }
            holdsWaitingBytes = false
        }
    }

    private func translate(_ refusal: QueueRefusal) -> Refusal {
        let slot = request.deadlines.slot
        let retryAfter = TimeAmount(refusal.retryAfter)
        switch refusal.reason {
        case .queueFull:
            return .queueFull(setting: "upstream.queue.max_waiting", retryAfter: retryAfter)
        case .tooLong where !holdsWaitingBytes, .timedOut where !holdsWaitingBytes:
            return .queueFull(setting: "upstream.queue.max_waiting_bytes", retryAfter: retryAfter)
        case .tooLong:
            return .waitTooLong(
                expected: TimeAmount(refusal.expectedWait),
                allowed: slot.at - request.arrival,
                setting: slot.setting,
                retryAfter: retryAfter
            )
        case .tooLargeForQuota(let bucket):
            return .batchTooLarge(items: request.shape.items, quota: bucket, holds: 0)
        case .timedOut, .upstreamRefused: return .noSlotInTime(setting: slot.setting)
        case .unavailable: return .queueUnavailable
        }
    }

    /// How long a slot has to live: a moment where a connection stands, a handshake with a far host where none does.
    private var allowance: Duration {
        let isCold = request.upstream.isTLS && worker.curl[request.upstream.index].openConnections == 0
        return isCold ? .milliseconds(300) : .milliseconds(20)
    }

    func startHeartbeat() {
        guard request.beats else { return }
        heartbeat = worker.eventLoop.assumeIsolated().scheduleTask(in: request.upstream.heartbeat) { [weak self] in
            guard let self else { return }
            // Until the queue has told a position it may still refuse the call, with a status of its own.
            if let (place, due) = self.position {
                self.recipient.waiting(position: place, expected: max(.zero, due - self.worker.now()))
            }
            self.startHeartbeat()
        }
    }

    func stopHeartbeat() {
        heartbeat?.cancel()
        heartbeat = nil
    }
}
