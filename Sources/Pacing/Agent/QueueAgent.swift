package import Logging
package import NIOCore

/// One upstream's queue as one process sees it: keeps the waiting callers, drives the store.
///
/// It lives on its home loop. `QueueHandle` is how other loops reach it. What comes in one tick of the loop goes to the
/// store in one call; a lone caller on an idle bucket costs one call and no timer.
///
/// `@unchecked Sendable`: every stored variable is touched on `eventLoop` only, which each entry checks.
package final class QueueAgent: @unchecked Sendable {
    package let eventLoop: any EventLoop
    private let clock: @Sendable () -> NIODeadline
    private let makeStore: @Sendable (any EventLoop) -> any QueueStore
    private let logger: Logger
    private let onCut: @Sendable (Bool) -> Void
    private var state: AgentState
    private var store: (any QueueStore)?
    private var isFlushing = false
    private var timer: Scheduled<Void>?
    private var timerAt: Micros = .max
    private var isClosed = false
    private var toldCut = false

    /// - Parameters:
    ///   - id: of this replica: another one for every start of a process, without NUL.
    ///   - clock: the monotonic one.
    ///   - onCut: told on the loop when nothing is granted as the store is out of reach, from the start on until it was
    ///     reached for the first time, and when that is over.
    ///   - makeStore: called once, on the loop.
    package init(
        id: String,
        settings: QueueSettings,
        eventLoop: any EventLoop,
        logger: Logger,
        clock: @escaping @Sendable () -> NIODeadline = { .now() },
        onCut: @escaping @Sendable (Bool) -> Void = { _ in },
        makeStore: @escaping @Sendable (any EventLoop) -> any QueueStore
    ) {
        self.eventLoop = eventLoop
        self.clock = clock
        self.makeStore = makeStore
        self.logger = logger
        self.onCut = onCut
        state = AgentState(id: id, settings: settings, now: clock().micros)
    }

    /// Begins to reach the store.
    package func start() {
        guard eventLoop.inEventLoop else { return eventLoop.execute { self.start() } }
        guard store == nil, !isClosed else { return }
        let store = makeStore(eventLoop)
        self.store = store
        tellReach()
        store.start { [weak self] event in self?.receive(event) }
        rearm()
    }

    /// Says good-bye to the store and refuses who still waits.
    package func close() {
        guard eventLoop.inEventLoop else { return eventLoop.execute { self.close() } }
        guard !isClosed else { return }
        change { $0.close() }
        flush()
        isClosed = true
        timer?.cancel()
        store?.close()
    }

    // MARK: On the loop

    func enter(_ waiter: QueueWaiter) {
        guard !isClosed else {
            return waiter.deliver(.refused(QueueRefusal(reason: .unavailable)))
        }
        let now = clock().micros
        change { $0.enter(waiter, now: now) }
    }

    func leave(_ id: WaiterID) {
        let now = clock().micros
        change { $0.leave(id, now: now) }
    }

    func handBack(_ grant: Grant, requeue: Bool, allowance: Duration?) {
        let now = clock().micros
        change { $0.handBack(grant, requeue: requeue, allowance: allowance?.micros, now: now) }
    }

    func upstreamRefused(_ grant: Grant, bucket: String?, hold: Duration?, learned: Int?, requeue: Bool) {
        let now = clock().micros
        change {
            $0.upstreamRefused(
                grant,
                bucket: bucket,
                hold: hold?.micros,
                learned: learned,
                requeue: requeue,
                now: now
            )
        }
    }

    func teach(_ grant: Grant, bucket: String, hold: Duration?, learned: Int?) {
        let now = clock().micros
        change { $0.teach(grant, bucket: bucket, hold: hold?.micros, learned: learned, now: now) }
    }

    func settle(_ grant: Grant, costs: [String: Int]) {
        let now = clock().micros
        change { $0.settle(grant, costs: costs, now: now) }
    }

    func pause(quota: String, paused: Bool) {
        let now = clock().micros
        change { $0.pause(quota: quota, paused: paused, now: now) }
    }

    var statistics: QueueStatistics { state.statistics(now: clock().micros) }

    private func receive(_ event: QueueStoreEvent) {
        guard !isClosed else { return }
        let now = clock().micros
        let before = state.mode
        change { state in
            switch event {
            case .up(let run): state.storeUp(run: run, now: now)
            case .down: state.storeDown(now: now)
            case .pushed(let push): state.receive(push, now: now)
            case .missed: state.missed(now: now)
            }
        }
        tellMode(since: before)
    }

    private func tellMode(since before: AgentState.Mode) {
        guard before != state.mode else { return }
        tellReach()
        let metadata: Logger.Metadata = ["upstream": "\(state.settings.upstream)"]
        switch state.mode {
        case .connecting: break
        case .connected: logger.info("queue store within reach", metadata: metadata)
        case .local: logger.warning("queue store out of reach: pacing this replica's part", metadata: metadata)
        case .cut: logger.error("queue store out of reach: nothing is granted", metadata: metadata)
        }
    }

    private func tellReach() {
        let isCut =
            switch state.mode {
            case .connecting, .cut: true
            case .connected, .local: false
            }
        guard isCut != toldCut else { return }
        toldCut = isCut
        onCut(isCut)
    }

    /// Every change of state goes through here: events leave at once, calls at the end of the tick.
    private func change(_ input: (inout AgentState) -> Void) {
        eventLoop.preconditionInEventLoop()
        input(&state)
        deliver()
        scheduleFlush()
    }

    private func deliver() {
        while !state.outbox.isEmpty {
            let events = state.outbox
            state.outbox.removeAll(keepingCapacity: events.count < 64)
            for (waiter, event) in events { waiter.deliver(event) }
        }
    }

    private func scheduleFlush() {
        guard !isFlushing else { return }
        isFlushing = true
        eventLoop.execute { self.flush() }
    }

    private func flush() {
        isFlushing = false
        guard !isClosed else { return }
        state.flush()
        let calls = state.calls
        state.calls.removeAll(keepingCapacity: true)
        for call in calls { send(call) }
        rearm()
    }

    private func send(_ call: QueueCall) {
        let sent = clock().micros
        state.counters.calls += 1
        store?.call(call) { [weak self] result in
            guard let self, !isClosed else { return }
            let now = clock().micros
            let before = state.mode
            switch result {
            case .success(let reply): change { $0.receive(reply, sent: sent, now: now) }
            case .failure(let error):
                logger.debug("queue call failed", metadata: ["error": "\(error)"])
                state.counters.count(error)
                change { $0.callFailed(now: now) }
            }
            tellMode(since: before)
        }
    }

    // MARK: The timer

    /// A timer that is too early is left: it finds nothing to do and sets the next.
    private func rearm() {
        let wake = state.nextWake
        guard wake < timerAt, wake < Pace.never else { return }
        timer?.cancel()
        timerAt = wake
        timer = eventLoop.assumeIsolated().scheduleTask(deadline: NIODeadline(micros: wake)) { [weak self] in
            self?.fire()
        }
    }

    private func fire() {
        timerAt = .max
        timer = nil
        guard !isClosed else { return }
        let now = clock().micros
        if state.nextWake > now { return rearm() }
        let before = state.mode
        change { $0.wake(now: now) }
        tellMode(since: before)
        rearm()
    }
}
