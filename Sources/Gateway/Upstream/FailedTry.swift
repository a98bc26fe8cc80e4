internal import CurlClient
internal import Dialects
internal import NIOCore

/// Decides after each failure whether the call is tried again, and tells the breaker.
extension OutboundCall {
    func failed(_ error: TransferError) {
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
        case .truncated: return .upstreamBroke(upstream: name, reason: "the answer was cut off")
        default:
            return error.bytesSent
                ? .upstreamBroke(upstream: name, reason: "the connection was reset")
                : .upstreamUnreachable(upstream: name, reason: "no connection")
        }
    }

    func fail(_ refusal: Refusal) {
        if case .calling(let transfer) = state { transfer.cancel() }
        refuse(refusal)
    }

    func mayRetry(_ failure: RetryPolicy.Failure) -> Bool {
        // A body that is not whole may be sent again only if nothing of it was taken.
        guard request.body.isWhole || (failure == .unreachable && !uploadStarted) else { return false }
        return RetryPolicy(retries: request.upstream.retries, isIdempotent: request.isIdempotent)
            .allows(failure, after: tries - 1)
    }

    /// - Returns: `nil`: nothing could come of a try after it, and what the upstream said is the answer. The wait ends
    ///   after the time for a slot, or where none is needed after the call's own end.
    func retryPause(asked: TimeAmount?) -> TimeAmount? {
        let pause = RetryPolicy.pause(after: tries - 1, asked: asked, random: &worker.random)
        let needsSlot = asked != nil || !charges.isEmpty
        let bound = needsSlot ? request.deadlines.slot.at : request.deadlines.end?.at ?? .distantFuture
        return worker.now() + pause < bound ? pause : nil
    }

    func pauseForRetry(_ wait: TimeAmount) {
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

    func noteOutcome(status: Int) {
        switch status {
        case 500, 502, 503, 504: noteFailure()
        default: worker.noteBreaker(request.upstream, request.upstream.breaker.succeeded(isTrial: isTrial))
        }
    }

    func noteFailure() {
        worker.telemetry.upstreamFailed(upstream: request.upstream.index)
        worker.noteBreaker(request.upstream, request.upstream.breaker.failed(isTrial: isTrial, now: worker.now()))
    }
}
