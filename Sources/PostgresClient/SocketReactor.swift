internal import CPostgres
internal import Glibc
internal import Synchronization

/// The one thread that waits on libpq's sockets and runs the actors that own them.
///
/// libpq reads and writes its sockets itself, so no NIO channel can hold them. An own epoll thread which only told an event loop
/// that a socket is ready would cost two thread switches a wait. Here the thread that waits *is* the executor of the
/// connections and of their pool: a socket's readiness resumes the actor in the same turn, libpq is only ever called
/// from this thread, and its calls never block (a name is resolved and a cancel is sent elsewhere, see `BlockingCall`).
/// One thread for all connections is enough: libpq's share of a query is some tens of microseconds.
///
/// It lives as long as the process, as an executor must outlive its actors.
final class SocketReactor: SerialExecutor {
    static let shared = SocketReactor()

    private let epoll: Int32
    private let wakeUp: Int32
    private let inbox = Mutex(Inbox())
    /// `pthread_t` of the reactor's thread; 0 until it runs.
    private let thread = Atomic<UInt>(0)
    /// Safe although unchecked: only the reactor's thread touches it, which every access checks.
    nonisolated(unsafe) private var waits = WaitTable()

    private init() {
        epoll = epoll_create1(sluice_epoll_close_on_exec)
        wakeUp = eventfd(0, sluice_event_flags)
        guard epoll >= 0, wakeUp >= 0 else { fatalError("no descriptor left for the Postgres sockets: errno \(errno)") }
        let added = sluice_epoll_ctl(epoll, sluice_epoll_add, wakeUp, sluice_epoll_in)
        guard added == 0 else { fatalError("epoll refuses an eventfd: errno \(errno)") }
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        let status = pthread_create(
            &thread,
            nil,
            { context in
                guard let context else { return nil }
                Unmanaged<SocketReactor>.fromOpaque(context).takeRetainedValue().run()
            },
            context
        )
        guard status == 0 else { fatalError("no thread for the Postgres sockets: error \(status)") }
        pthread_detach(thread)
    }

    /// Waits until the socket can be read or written, whichever of `interest` comes first.
    ///
    /// To be called by an actor of this executor. One wait a socket at a time. Cancelling the task ends the wait.
    func wait(
        on descriptor: Int32,
        for interest: SocketInterest,
        until deadline: ContinuousClock.Instant,
        isolation: isolated any Actor = #isolation
    ) async -> SocketOutcome {
        checkIsolated()
        let ticket = waits.nextTicket()
        return await withTaskCancellationHandler {
            // Named so that the closure is isolated to the actor: otherwise it would run elsewhere.
            _ = isolation
            guard !Task.isCancelled else { return .cancelled }
            return await withCheckedContinuation { continuation in
                checkIsolated()
                let status = watch(descriptor, interest)
                guard status == 0 else { return continuation.resume(returning: .failed(errno: status)) }
                waits.insert(Wait(ticket: ticket, deadline: deadline, continuation: continuation), on: descriptor)
            }
        } onCancel: {
            // Read by the thread after the code above ran: a cancel cannot overtake its wait.
            post { $0.cancelled.append(ticket) }
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        post { $0.jobs.append(job) }
    }

    func checkIsolated() {
        precondition(isOnThread, "Postgres state is touched off its thread")
    }

    private var isOnThread: Bool {
        thread.load(ordering: .relaxed) == UInt(pthread_self())
    }

    private func post(_ change: (inout Inbox) -> Void) {
        let mustWake = inbox.withLock { inbox in
            change(&inbox)
            defer { inbox.isSignalled = true }
            return !inbox.isSignalled
        }
        if mustWake && !isOnThread { eventfd_write(wakeUp, 1) }
    }

    /// A registration fires once and stays in the set, disarmed. Its number may have come back as another socket's: the kernel forgot
    /// the old one when it was closed, so "modify" fails and the new one is added.
    private func watch(_ descriptor: Int32, _ interest: SocketInterest) -> Int32 {
        let events = interest.events | sluice_epoll_one_shot
        if sluice_epoll_ctl(epoll, sluice_epoll_modify, descriptor, events) == 0 { return 0 }
        guard errno == ENOENT else { return errno }
        return sluice_epoll_ctl(epoll, sluice_epoll_add, descriptor, events) == 0 ? 0 : errno
    }

    private func run() -> Never {
        thread.store(UInt(pthread_self()), ordering: .relaxed)
        var events = [epoll_event](repeating: epoll_event(), count: 64)
        var hasMore = false
        while true {
            let timeout: Int32 = hasMore ? 0 : waits.millisecondsToNextDeadline(now: .now)
            let ready = epoll_wait(epoll, &events, Int32(events.count), timeout)
            // Negative only when a signal came in between.
            for index in 0..<Int(max(0, ready)) { handle(events[index]) }
            waits.expire(now: .now)
            hasMore = runJobs()
        }
    }

    private func handle(_ event: epoll_event) {
        guard event.data.fd != wakeUp else {
            var count: eventfd_t = 0
            eventfd_read(wakeUp, &count)
            return
        }
        let isBroken = event.events & sluice_epoll_error != 0
        waits.fire(
            event.data.fd,
            readable: isBroken || event.events & sluice_epoll_in != 0,
            writable: isBroken || event.events & sluice_epoll_out != 0
        )
    }

    /// Runs what has come in so far; jobs that those add wait for the sockets' next turn, so neither starves the other.
    private func runJobs() -> Bool {
        let (jobs, cancelled) = inbox.withLock { inbox in
            let taken = (inbox.jobs, inbox.cancelled)
            inbox.jobs = []
            inbox.cancelled = []
            inbox.isSignalled = false
            return taken
        }
        for ticket in cancelled { waits.cancel(ticket) }
        for job in jobs { job.runSynchronously(on: asUnownedSerialExecutor()) }
        return inbox.withLock { inbox in
            // Nothing wakes the thread for what it posted itself.
            let hasMore = !inbox.jobs.isEmpty || !inbox.cancelled.isEmpty
            if hasMore { inbox.isSignalled = true }
            return hasMore
        }
    }
}

/// What other threads hand to the reactor.
private struct Inbox {
    var jobs: [UnownedJob] = []
    var cancelled: [UInt64] = []
    /// Whether the thread knows that there is something to fetch.
    var isSignalled = false
}
