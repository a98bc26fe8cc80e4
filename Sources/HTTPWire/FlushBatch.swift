internal import NIOCore

/// Flushes, on a loop's next turn, the connections that wrote in this one: one task a turn in place of one a reply.
///
/// One event loop owns it; its connections share it.
package final class FlushBatch {
    private var waiting: [HTTP1ServerHandler] = []
    private var flushing: [HTTP1ServerHandler] = []

    package init() {}

    func add(_ handler: HTTP1ServerHandler, on eventLoop: any EventLoop) {
        waiting.append(handler)
        guard waiting.count == 1 else { return }
        eventLoop.assumeIsolated().execute { [self] in flushAll() }
    }

    private func flushAll() {
        // Whoever writes meanwhile waits for the turn after this.
        swap(&waiting, &flushing)
        for handler in flushing { handler.flushIsDue() }
        flushing.removeAll(keepingCapacity: true)
    }
}
