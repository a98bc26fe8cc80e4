internal import Glibc
package import NIOCore

/// How a connection ends: after its last bytes, or by its time-outs.
extension HTTP1ServerHandler: NIOScheduledCallbackHandler {
    /// Everything written has left, or cannot leave any more.
    func flushed() {
        timer.stopWatchingWrites()
        guard let context else { return }
        switch state.flushed() {
        case .close:
            if resetsOnClose, let socket = context.channel as? any SocketOptionProvider {
                _ = socket.setSoLinger(linger(l_onoff: 1, l_linger: 0))
            }
            context.close(promise: nil)
        case .linger:
            let promise = context.eventLoop.makePromise(of: Void.self)
            promise.futureResult.assumeIsolated().whenFailure { [self] _ in
                self.context?.close(promise: nil)
            }
            context.close(mode: .output, promise: promise)
            settle()
        }
    }

    /// Has the callback come no later than the deadline. It is only made earlier, never later: it asks when it comes.
    func schedule() {
        guard let context, let deadline = timer.deadline else { return }
        if let scheduledFor, scheduledFor <= deadline { return }
        scheduledCallback?.cancel()
        scheduledCallback = nil
        scheduledFor = deadline
        // A loop that is shut down takes none; it closes its channels by itself.
        scheduledCallback = try? context.eventLoop.assumeIsolated().scheduleCallback(at: deadline, handler: self)
    }

    func cancelCallback() {
        scheduledCallback?.cancel()
        scheduledCallback = nil
        scheduledFor = nil
    }

    package func handleScheduledCallback(eventLoop: some EventLoop) {
        scheduledCallback = nil
        scheduledFor = nil
        guard context != nil else { return }
        switch timer.check(now: eventLoop.now, taken: taken) {
        case .none: schedule()
        case .headTooSlow: headTooSlow()
        case .idle, .lingered: context?.close(promise: nil)
        case .bodyTooSlow, .takesNothing: clientTooSlow()
        }
    }
}
