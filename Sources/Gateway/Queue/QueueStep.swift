internal import Dialects
package import NIOCore
package import Pacing

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
        switch upstream.quotas.needs(model: request.shape.model, method: request.shape.method?.name ?? "", items: request.shape.items) {
        case .unlimited:
            worker.telemetry.uncovered(upstream: upstream.index, model: request.shape.model)
            attempt(grant: nil)
        case .tooLarge(let quota, let holds):
            refuse(.batchTooLarge(items: request.shape.items, quota: quota, holds: holds))
        case .needs(let needs):
            guard worker.waitingBytes + request.body.kept.readableBytes <= upstream.maxWaitingBytes else {
                refuse(.queueFull(setting: "upstream.queue.max_waiting_bytes", retryAfter: .seconds(1)))
                return
            }
            enteredQueue = now
            let bound = NIOLoopBound(self, eventLoop: worker.eventLoop)
            worker.waitingBytes += request.body.kept.readableBytes
            let waiter = queue.enter(
                QueueRequest(
                    needs: needs.map { .init(bucket: $0.bucket, units: $0.units) },
                    client: request.caller.queueClient,
                    weight: request.caller.weight,
                    user: request.caller.fairnessKey(upstream.fairBy),
                    urgency: request.caller.urgency,
                    patience: request.deadlines.slot.at - now,
                    wantsPosition: request.beats
                ),
                on: worker.eventLoop
            ) { event in bound.value.queueSaid(event) }
            if case .idle = state { state = .queued(waiter) }
            startHeartbeat()
        }
    }

    private func queueSaid(_ event: QueueEvent) {
        guard case .queued = state else {
            // It ended while the grant was on its way: the slot goes back.
            if case .granted(let grant) = event { request.upstream.queue?.handBack(grant, requeue: false) }
            return
        }
        switch event {
        case .position(let place, let wait): position = (place, wait)
        case .granted(let grant):
            leaveWaiting()
            attempt(grant: grant)
        case .refused(let refusal):
            leaveWaiting()
            refuse(translate(refusal))
        }
    }

    /// Stops counting the call as one that waits.
    func leaveWaiting() {
        stopHeartbeat()
        if let entered = enteredQueue {
            timings.queue = timings.queue + (worker.now() - entered)
            enteredQueue = nil
            worker.waitingBytes -= request.body.kept.readableBytes
        }
    }

    private func translate(_ refusal: QueueRefusal) -> Refusal {
        switch refusal {
        case .queueFull(let wait):
            return .queueFull(setting: "upstream.queue.max_waiting", retryAfter: wait)
        case .tooLong(let expected):
            let allowed = request.deadlines.slot.at - request.arrival
            return .waitTooLong(expected: expected, allowed: allowed, setting: request.deadlines.slot.setting)
        case .timedOut: return .noSlotInTime(setting: request.deadlines.slot.setting)
        case .unavailable: return .queueUnavailable
        }
    }

    private func startHeartbeat() {
        guard request.beats, request.upstream.heartbeat > .zero else { return }
        heartbeat = worker.eventLoop.assumeIsolated().scheduleRepeatedTask(
            initialDelay: request.upstream.heartbeat,
            delay: request.upstream.heartbeat
        ) { [weak self] _ in
            guard let self else { return }
            self.recipient.waiting(position: self.position.0, expected: self.position.1)
        }
    }

    func stopHeartbeat() {
        heartbeat?.cancel()
        heartbeat = nil
    }
}
