import CurlClient
import NIOCore
import NIOPosix

/// What a receiver was told, in order.
enum Event: Sendable, Equatable {
    case mayStart
    case head(Int, String)
    case body(String)
    case needsBody
    case ended(Result<TransferSummary, TransferError>)
}

/// The whole of one transfer.
struct Outcome: Sendable {
    var status = 0
    var fields = ""
    var body = ""
    var result: Result<TransferSummary, TransferError>?

    var summary: TransferSummary? { try? result?.get() }  // nil: it failed
    var error: TransferError? {
        guard case .failure(let error) = result else { return nil }
        return error
    }
}

/// Runs on the client's loop with each event, before the receiver returns from its call.
typealias Reaction = @Sendable (Event, Transfer?) -> Void

/// One client on a loop of its own.
struct Harness: Sendable {
    let group: MultiThreadedEventLoopGroup
    let loop: any EventLoop
    let watcher: CurlWatcher
    let client: NIOLoopBound<CurlClient>

    static func with<Value>(
        _ limits: CurlLimits = CurlLimits(),
        _ body: (Harness) async throws -> Value
    ) async throws -> Value {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let watcher = try CurlWatcher()
        let loop = group.next()
        let client = try await loop.submit {
            NIOLoopBound(try CurlClient(eventLoop: loop, watcher: watcher, limits: limits), eventLoop: loop)
        }.get()
        let harness = Harness(group: group, loop: loop, watcher: watcher, client: client)
        do {
            let value = try await body(harness)
            try await harness.close()
            return value
        } catch {
            try await harness.close()
            throw error
        }
    }

    private func close() async throws {
        try await loop.submit { client.value.close() }.get()
        watcher.close()
        try await group.shutdownGracefully()
    }

    func begin(_ request: TransferRequest, allowed: Bool = true, reaction: @escaping Reaction = { _, _ in }) -> Call {
        Call(self, request, allowed: allowed, reaction: reaction)
    }

    func run(_ request: TransferRequest) async -> Outcome {
        await begin(request).outcome()
    }

    func openConnections() async throws -> Int {
        try await loop.submit { client.value.openConnections }.get()
    }

    func runningTransfers() async throws -> Int {
        try await loop.submit { client.value.runningTransfers }.get()
    }

    /// Waits until the loop has done all that was given to it before.
    func settle() async throws {
        for _ in 0..<3 { try await loop.submit {}.get() }
    }

    /// Waits until the loop has run every timer that is due within `time` from now.
    func pass(_ time: TimeAmount) async throws {
        try await loop.scheduleTask(in: time) {}.futureResult.get()
    }

    /// Waits until what is counted stands still; nothing tells that the buffers towards a reader who paused are full.
    /// - Returns: the count.
    func untilStill(_ count: @Sendable () -> Int) async throws -> Int {
        while true {
            let before = count()
            try await pass(.milliseconds(100))
            if count() == before { return before }
        }
    }
}

/// One transfer under way, steered from a test.
final class Call: Sendable {
    private let loop: any EventLoop
    private let recorder: NIOLoopBoundBox<Recorder>
    private let events: AsyncStream<Event>

    init(_ harness: Harness, _ request: TransferRequest, allowed: Bool, reaction: @escaping Reaction) {
        loop = harness.loop
        let (events, sink) = AsyncStream.makeStream(of: Event.self)
        self.events = events
        let recorder = NIOLoopBoundBox.makeBoxSendingValue(
            Recorder(sink: sink, allowed: allowed, reaction: reaction),
            eventLoop: harness.loop
        )
        self.recorder = recorder
        let client = harness.client
        loop.execute {
            recorder.value.transfer = client.value.start(request, receiver: recorder.value)
        }
    }

    /// Does something with the transfer on its loop.
    func act(_ action: @escaping @Sendable (Transfer) -> Void) async throws {
        let recorder = recorder
        try await loop.submit {
            if let transfer = recorder.value.transfer { action(transfer) }
        }.get()
    }

    /// How many events came so far.
    func eventCount() async throws -> Int {
        let recorder = recorder
        return try await loop.submit { recorder.value.count }.get()
    }

    /// The next event that matches; those before are dropped. nil: there is none any more.
    func first(where matches: (Event) -> Bool) async -> Event? {
        for await event in events where matches(event) { return event }
        return nil
    }

    func outcome() async -> Outcome {
        var outcome = Outcome()
        for await event in events {
            switch event {
            case .mayStart, .needsBody: break
            case .head(let status, let fields): (outcome.status, outcome.fields) = (status, fields)
            case .body(let text): outcome.body += text
            case .ended(let result): outcome.result = result
            }
        }
        return outcome
    }
}

private final class Recorder: TransferReceiver {
    var transfer: Transfer?
    var count = 0
    private let sink: AsyncStream<Event>.Continuation
    private let allowed: Bool
    private let reaction: Reaction

    init(sink: AsyncStream<Event>.Continuation, allowed: Bool, reaction: @escaping Reaction) {
        self.sink = sink
        self.allowed = allowed
        self.reaction = reaction
    }

    private func note(_ event: Event) {
        count += 1
        sink.yield(event)
        reaction(event, transfer)
    }

    func transferMayStart() -> Bool {
        note(.mayStart)
        return allowed
    }
    func transferHead(status: Int, fields: ByteBuffer) { note(.head(status, String(buffer: fields))) }
    func transferBody(_ bytes: ByteBuffer) { note(.body(String(buffer: bytes))) }
    func transferNeedsBody() { note(.needsBody) }
    func transferEnded(_ result: Result<TransferSummary, TransferError>) {
        note(.ended(result))
        sink.finish()
    }
}

extension TransferRequest {
    static func get(_ url: String, fields: String = "", timeouts: TransferTimeouts = TransferTimeouts()) -> Self {
        TransferRequest(method: "GET", url: url, fields: ByteBuffer(string: fields), timeouts: timeouts)
    }

    static func post(_ url: String, _ body: TransferBody, fields: String = "") -> Self {
        TransferRequest(method: "POST", url: url, fields: ByteBuffer(string: fields), body: body)
    }
}
