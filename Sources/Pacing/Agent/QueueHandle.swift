package import NIOCore
internal import Synchronization

/// How any loop reaches an upstream's queue.
package struct QueueHandle: Sendable {
    private final class Numbers: Sendable {
        let last = Atomic<Int>(0)
    }

    private let agent: QueueAgent
    private let numbers = Numbers()

    package init(_ agent: QueueAgent) { self.agent = agent }

    /// Waits for a slot.
    ///
    /// - Parameters:
    ///   - loop: where `event` is called.
    ///   - event: any number of `.position`, then one `.granted` or `.refused`; more only after the grant was given back
    ///     with `requeue`. None after `leave` was called on the same loop and the agent's, else at most one that was on
    ///     its way: a grant then is to be handed back.
    @discardableResult
    package func enter(
        _ request: QueueRequest,
        on loop: any EventLoop,
        _ event: @escaping @Sendable (QueueEvent) -> Void
    ) -> WaiterID {
        let id = WaiterID(value: numbers.last.wrappingAdd(1, ordering: .relaxed).newValue)
        let waiter = QueueWaiter(
            id: id,
            request: request,
            now: NIODeadline.now().micros,
            loop: loop,
            event: event
        )
        perform { $0.enter(waiter) }
        return id
    }

    /// The caller went away.
    package func leave(_ id: WaiterID) { perform { $0.leave(id) } }

    /// No byte was written for this grant.
    ///
    /// - Parameters:
    ///   - requeue: its caller waits on, at the front, in the order of arrival.
    ///   - allowance: how long the next grant has to live, where connecting takes longer than this one did.
    package func handBack(_ grant: Grant, requeue: Bool, allowance: Duration? = nil) {
        perform { $0.handBack(grant, requeue: requeue, allowance: allowance) }
    }

    /// The upstream answered 429: all replicas hold the bucket, and the call waits on at the front, unless the answer
    /// means that it cannot be served in time: then `.refused(.upstreamRefused)` says to pass the 429 on.
    ///
    /// - Parameters:
    ///   - bucket: the one that the answer names; nil: all of the call that count requests.
    ///   - hold: for how long it says to wait; nil: one emission interval, doubling up to the window.
    ///   - learned: the limit that it states.
    package func upstreamRefused(
        _ grant: Grant,
        bucket: String? = nil,
        hold: Duration?,
        learned: Int?,
        requeue: Bool
    ) {
        perform { $0.upstreamRefused(grant, bucket: bucket, hold: hold, learned: learned, requeue: requeue) }
    }

    /// The same answer named another bucket of the call too: it pauses and learns, nothing else changes.
    package func teach(_ grant: Grant, bucket: String, hold: Duration?, learned: Int?) {
        perform { $0.teach(grant, bucket: bucket, hold: hold, learned: learned) }
    }

    /// What the call really took, by bucket; buckets left out took what was asked for.
    package func settle(_ grant: Grant, costs: [String: Int]) {
        perform { $0.settle(grant, costs: costs) }
    }

    /// - Parameter quota: its name; empty: all of the upstream.
    package func pause(quota: String, _ paused: Bool) {
        perform { $0.pause(quota: quota, paused: paused) }
    }

    package func statistics() -> EventLoopFuture<QueueStatistics> {
        agent.eventLoop.submit { agent.statistics }
    }

    package func close() { agent.close() }

    private func perform(_ action: @escaping @Sendable (QueueAgent) -> Void) {
        if agent.eventLoop.inEventLoop {
            action(agent)
        } else {
            agent.eventLoop.execute { action(agent) }
        }
    }
}
