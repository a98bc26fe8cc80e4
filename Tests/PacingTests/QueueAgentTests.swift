import Logging
import NIOCore
import NIOPosix
import Pacing
import Testing

/// The agent on a real loop, with the embedded store.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct QueueAgentTests {
    private let loop = MultiThreadedEventLoopGroup.singleton.next()
    private let other = MultiThreadedEventLoopGroup.singleton.next()

    private func makeQueue(
        maxWaiting: Int = 1000,
        clock: @escaping @Sendable () -> NIODeadline = { .now() }
    ) -> QueueHandle {
        let agent = QueueAgent(
            id: "replica",
            settings: QueueSettings(upstream: "test", maxWaiting: maxWaiting),
            eventLoop: loop,
            logger: Logger(label: "test"),
            clock: clock
        ) { _ in EmbeddedQueueStore(clock: clock) }
        agent.start()
        return QueueHandle(agent)
    }

    private func bucket(_ limit: Int, _ per: Duration, burst: Int) -> BucketSpec {
        BucketSpec(name: "rpm", limit: limit, per: per, burst: burst)
    }

    private func request(_ bucket: BucketSpec, patience: Duration? = nil) -> QueueRequest {
        QueueRequest(costs: [.init(bucket)], client: "client", patience: patience)
    }

    /// Enters and waits for the end.
    private func ask(_ queue: QueueHandle, _ request: QueueRequest) async -> QueueEvent {
        await withCheckedContinuation { continuation in
            queue.enter(request, on: other) { event in
                if case .position = event { return }
                continuation.resume(returning: event)
            }
        }
    }

    @Test("A lone caller on an idle bucket gets a slot at once, for one call to the store")
    func lone() async throws {
        // It stands still: nothing that waits for a time comes.
        let start = NIODeadline.now()
        let queue = makeQueue { start }
        let bucket = bucket(10, .seconds(1), burst: 5)
        // The first beat has left.
        while try await queue.statistics().get().counters.calls == 0 { await Task.yield() }
        let before = try await queue.statistics().get().counters.calls
        let event = await ask(queue, request(bucket))
        guard case .granted(let grant) = event else {
            Issue.record("not granted: \(event)")
            return
        }
        #expect(grant.deadline > start)
        #expect(grant.deadline <= start + .milliseconds(20))
        let after = try await queue.statistics().get().counters.calls
        #expect(after - before <= 1)
        queue.close()
    }

    @Test("What the burst does not let go is spread over the window")
    func paced() async throws {
        let queue = makeQueue()
        let bucket = bucket(20, .milliseconds(500), burst: 5)
        let start = ContinuousClock.now
        let times = await withTaskGroup(of: Duration?.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    guard case .granted = await ask(queue, request(bucket)) else { return nil }
                    return ContinuousClock.now - start
                }
            }
            var times: [Duration] = []
            for await case let time? in group { times.append(time) }
            return times.sorted()
        }
        #expect(times.count == 20)
        #expect(times.last ?? .zero > .milliseconds(200))
        queue.close()
    }

    @Test("Who would wait longer than its patience is refused on entry, and told for how long")
    func tooLong() async {
        let queue = makeQueue()
        let bucket = bucket(1, .seconds(60), burst: 1)
        _ = await ask(queue, request(bucket))
        let event = await ask(queue, request(bucket, patience: .seconds(5)))
        guard case .refused(let refusal) = event else {
            Issue.record("not refused: \(event)")
            return
        }
        #expect(refusal.reason == .tooLong)
        #expect(refusal.expectedWait > .seconds(50))
        #expect(refusal.retryAfter > .seconds(45))
        queue.close()
    }

    @Test("Above the highest number of waiters a newcomer is refused")
    func full() async {
        let queue = makeQueue(maxWaiting: 1)
        let bucket = bucket(1, .seconds(60), burst: 1)
        _ = await ask(queue, request(bucket))
        let waiter = queue.enter(request(bucket), on: other) { _ in }
        let event = await ask(queue, request(bucket))
        guard case .refused(let refusal) = event else {
            Issue.record("not refused: \(event)")
            return
        }
        #expect(refusal.reason == .queueFull)
        // When the one who waits has gone there is a place, though not yet a slot.
        #expect((.seconds(55)...(.seconds(61))).contains(refusal.retryAfter))
        queue.leave(waiter)
        queue.close()
    }

    @Test("A call larger than the whole quota is refused; an estimate is clamped")
    func tooLarge() async {
        let queue = makeQueue()
        let bucket = bucket(3, .seconds(60), burst: 3)
        let counted = await ask(queue, QueueRequest(costs: [.init(bucket, units: 4)], client: "client"))
        guard case .refused(let refusal) = counted else {
            Issue.record("not refused: \(counted)")
            return
        }
        #expect(refusal.reason == .tooLargeForQuota(bucket: "rpm"))
        let estimated = await ask(
            queue,
            QueueRequest(costs: [.init(bucket, units: 4, isEstimate: true)], client: "client")
        )
        guard case .granted = estimated else {
            Issue.record("not granted: \(estimated)")
            return
        }
        queue.close()
    }

    @Test("A slot handed back goes to the next at once")
    func handedBack() async throws {
        let queue = makeQueue()
        let bucket = bucket(1, .seconds(60), burst: 1)
        guard case .granted(let grant) = await ask(queue, request(bucket)) else {
            Issue.record("not granted")
            return
        }
        queue.handBack(grant, requeue: false)
        let again = await ask(queue, request(bucket, patience: .seconds(5)))
        guard case .granted = again else {
            Issue.record("not granted again: \(again)")
            return
        }
        let statistics = try await queue.statistics().get()
        #expect(statistics.counters.handBacks == 1)
        #expect(statistics.quotas.first?.used == 1)
        queue.close()
    }

    @Test("An upstream's 429 holds the bucket, teaches the limit and puts the call back")
    func refusedUpstream() async throws {
        let queue = makeQueue()
        let bucket = bucket(10, .seconds(1), burst: 10)
        let granted = AsyncStream.makeStream(of: Grant.self)
        queue.enter(request(bucket, patience: .seconds(20)), on: other) { event in
            if case .granted(let grant) = event { granted.continuation.yield(grant) }
        }
        var grants = granted.stream.makeAsyncIterator()
        let first = try #require(await grants.next())
        let start = ContinuousClock.now
        queue.upstreamRefused(first, bucket: "rpm", hold: .milliseconds(300), learned: 5, requeue: true)
        _ = try #require(await grants.next())
        #expect(ContinuousClock.now - start >= .milliseconds(299))
        let quota = try #require(try await queue.statistics().get().quotas.first)
        #expect(quota.limit == 5)
        #expect(quota.configured == 10)
        #expect(quota.upstream429s == 1)
        queue.close()
    }

    @Test("A hold beyond the patience passes the 429 on")
    func passedOn() async throws {
        let queue = makeQueue()
        let bucket = bucket(10, .seconds(1), burst: 10)
        let events = AsyncStream.makeStream(of: QueueEvent.self)
        queue.enter(request(bucket, patience: .seconds(2)), on: other) { events.continuation.yield($0) }
        var iterator = events.stream.makeAsyncIterator()
        guard case .granted(let grant) = await iterator.next() else {
            Issue.record("not granted")
            return
        }
        queue.upstreamRefused(grant, hold: .seconds(3600), learned: nil, requeue: true)
        guard case .refused(let refusal) = await iterator.next() else {
            Issue.record("not refused")
            return
        }
        #expect(refusal.reason == .upstreamRefused)
        queue.close()
    }

    @Test("A waiter whose patience runs out is told so and leaves")
    func timesOut() async throws {
        let queue = makeQueue()
        let bucket = bucket(10, .seconds(1), burst: 10)
        queue.pause(quota: "", true)
        let event = await ask(queue, request(bucket, patience: .milliseconds(50)))
        guard case .refused(let refusal) = event else {
            Issue.record("not refused: \(event)")
            return
        }
        #expect(refusal.reason == .timedOut)
        #expect(try await queue.statistics().get().waiting == 0)
        queue.pause(quota: "", false)
        guard case .granted = await ask(queue, request(bucket)) else {
            Issue.record("not granted after the pause")
            return
        }
        queue.close()
    }

    @Test("Closing refuses who waits")
    func closes() async {
        let queue = makeQueue()
        let bucket = bucket(1, .seconds(60), burst: 1)
        _ = await ask(queue, request(bucket))
        async let event = ask(queue, request(bucket))
        while (try? await queue.statistics().get().waiting) != 1 { await Task.yield() }
        queue.close()
        guard case .refused(let refusal) = await event else {
            Issue.record("not refused")
            return
        }
        #expect(refusal.reason == .unavailable)
    }
}
