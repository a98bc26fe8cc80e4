internal import NIOCore

/// One deadline on a loop that moves often and rarely arrives.
///
/// Moving it to later costs nothing: the task scheduled for the earlier time finds it moved, and schedules itself again.
/// So the many time-outs of transfers that end in time cause next to no scheduling.
final class LoopAlarm {
    private let eventLoop: any EventLoop
    private let ring: () -> Void
    private(set) var deadline: NIODeadline?
    private var task: Scheduled<Void>?
    private var taskDeadline = NIODeadline.distantFuture

    /// - Parameter ring: called on the loop, not before the deadline, which is then unset.
    init(eventLoop: any EventLoop, ring: @escaping () -> Void) {
        self.eventLoop = eventLoop
        self.ring = ring
    }

    func set(_ deadline: NIODeadline?) {
        self.deadline = deadline
        guard let deadline, deadline < taskDeadline else { return }
        task?.cancel()
        schedule(deadline)
    }

    /// For good: breaks the cycle with its owner too.
    func cancel() {
        deadline = nil
        task?.cancel()
        task = nil
        taskDeadline = .distantFuture
    }

    private func schedule(_ time: NIODeadline) {
        taskDeadline = time
        task = eventLoop.assumeIsolated().scheduleTask(deadline: time) { [weak self] in
            self?.arrived()
        }
    }

    private func arrived() {
        task = nil
        taskDeadline = .distantFuture
        guard let deadline else { return }
        guard deadline <= eventLoop.now else { return schedule(deadline) }
        self.deadline = nil
        ring()
    }
}
