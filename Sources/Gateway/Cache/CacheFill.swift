internal import Dialects
internal import HTTPWire
internal import NIOCore
internal import ResponseCache

/// The leader's answer on its way: to the caller as it comes, and into the cache once it is complete.
///
/// Loop-confined. It outlives its caller while others wait for the same answer.
final class CacheFill: AnswerRecipient, AnswerSource {
    struct Settings {
        let freshness: Freshness
        let tags: CacheTags
        let dialect: Dialect
        let isStream: Bool
        let maximumEntry: Int

        init(request: OutboundRequest, maximumEntry: Int) {
            let cache = request.route.cache ?? Configuration.RouteCache()
            freshness = Freshness(
                timeToLive: cache.ttl,
                staleWhileRevalidate: cache.staleWhileRevalidate,
                staleIfError: cache.staleIfError
            )
            tags = CacheTags(route: request.route.name, client: request.caller.name)
            dialect = request.upstream.dialect
            isStream = request.shape.streams
            self.maximumEntry = maximumEntry
        }
    }

    private enum Kind: Equatable {
        /// To be kept.
        case success
        /// Answers all who wait, and is not kept.
        case clientError
        /// Is passed to the caller only.
        case unshared
        /// The caller got a stale copy in its place.
        case replaced
    }

    weak var source: (any AnswerSource)?
    private let token: FillToken
    private var caller: Responder?
    private let settings: Settings
    private let worker: Worker
    private var kind = Kind.unshared
    private var status = 0
    private var fields = ByteBuffer()
    private var body = ByteBuffer()
    private var usage = UsageScanner()
    private var callerIsSlow = false

    init(token: FillToken, caller: Responder?, settings: Settings, worker: Worker) {
        self.token = token
        self.caller = caller
        self.settings = settings
        self.worker = worker
    }

    func callerLeft() {
        caller = nil
        token.callerLeft()
        // What is not to be kept is of use to nobody now.
        if kind == .unshared, status != 0 { token.giveUp() }
    }

    func waiting(position: Int, expected: TimeAmount) { caller?.waiting(position: position, expected: expected) }

    func answerHead(_ head: AnswerHead) {
        status = head.status
        switch head.status {
        case 200 where CacheRules.mayKeep(head.fields, dialect: settings.dialect):
            kind = .success
        case 200:
            kind = .unshared
            tellUnstored()
            token.fail(.notShareable)
        case 400..<500 where head.status != 429:
            kind = .clientError
            tellUnstored()
        default:
            let isError = head.status >= 500
            token.fail(.other(status: head.status))
            tellUnstored()
            if isError, let stale = token.staleCopy, answerStale(stale, status: head.status, head.timings) { return }
        }
        if kind != .unshared { fields = CacheRules.keptFields(head.fields) }
        caller?.answerHead(head)
    }

    func answerBytes(_ bytes: ByteBuffer) {
        if kind == .success || kind == .clientError {
            if body.readableBytes + bytes.readableBytes <= settings.maximumEntry {
                if settings.dialect == .gemini { usage.feed(bytes) }
                body.writeImmutableBuffer(bytes)
            } else {
                giveUpKeeping()
            }
        }
        if kind != .replaced { caller?.answerBytes(bytes) }
    }

    func answerEnded(_ timings: CallTimings) {
        switch kind {
        case .success:
            // A 200 may hold an error in its body, as Gemini's streams do.
            if usage.containsError { token.fail(.notShareable) } else { token.complete(stored()) }
        case .clientError: token.fail(.clientError(stored()))
        case .unshared, .replaced: break
        }
        if kind != .replaced { caller?.answerEnded(timings) }
        release()
    }

    func answerBroke() {
        token.fail(.other(status: nil))
        if kind != .replaced { caller?.answerBroke() }
        release()
    }

    func answerRefused(_ refusal: Refusal, _ timings: CallTimings) {
        let status = refusal.answer.error.status
        token.fail(.other(status: status))
        if let stale = token.staleCopy, answerStale(stale, status: status, timings) { return release() }
        tellUnstored()
        caller?.answerRefused(refusal, timings)
        release()
    }

    /// The call has ended: what held it alive, itself included, lets go.
    private func release() {
        caller = nil
        token.onAbandoned = nil
    }

    /// A caller that asked for `no-cache` is told that, whatever becomes of the answer.
    private func tellUnstored() {
        if caller?.notes.cacheStatus != .request { caller?.notes.cacheStatus = .miss(stored: false) }
    }

    // MARK: Backpressure

    /// While the answer is collected for others too, one slow caller must not hold them up: what it does not take yet is
    /// kept, at most `max_entry`.
    func pauseAnswer() {
        callerIsSlow = true
        if kind == .unshared { source?.pauseAnswer() }
    }

    func resumeAnswer() {
        callerIsSlow = false
        source?.resumeAnswer()
    }

    private func giveUpKeeping() {
        kind = .unshared
        body = ByteBuffer()
        token.fail(.notShareable)
        if caller == nil { token.giveUp() } else if callerIsSlow { source?.pauseAnswer() }
    }

    private func answerStale(_ stale: StoredAnswer, status: Int, _ timings: CallTimings) -> Bool {
        guard let caller else { return false }
        kind = .replaced
        caller.notes.cacheStatus = .staleOnError(status: status)
        caller.took(timings)
        caller.answer(stale, age: stale.age(at: worker.now()))
        self.caller = nil
        return true
    }

    private func stored() -> StoredAnswer {
        StoredAnswer(
            status: status,
            fields: fields,
            body: body,
            isStream: settings.isStream,
            storedAt: worker.now(),
            freshness: settings.freshness,
            tags: settings.tags
        )
    }
}

/// A write to what queries find: its route's cached answers are outdated before its own answer is passed on.
final class WriteRecipient: AnswerRecipient {
    private let lane: CacheLane
    private let route: String
    private let caller: Responder
    private var held: [() -> Void]? = []
    private var isPurging = false

    init(lane: CacheLane, route: String, caller: Responder) {
        self.lane = lane
        self.route = route
        self.caller = caller
    }

    func waiting(position: Int, expected: TimeAmount) { caller.waiting(position: position, expected: expected) }
    func answerHead(_ head: AnswerHead) { afterPurge { $0.answerHead(head) } }
    func answerBytes(_ bytes: ByteBuffer) { afterPurge { $0.answerBytes(bytes) } }
    func answerEnded(_ timings: CallTimings) { afterPurge { $0.answerEnded(timings) } }
    func answerBroke() { afterPurge { $0.answerBroke() } }

    /// Refused or unreachable: it may have been sent all the same.
    func answerRefused(_ refusal: Refusal, _ timings: CallTimings) { afterPurge { $0.answerRefused(refusal, timings) } }

    private func afterPurge(_ deliver: @escaping (Responder) -> Void) {
        let caller = self.caller
        guard held != nil else { return deliver(caller) }
        held?.append { deliver(caller) }
        guard !isPurging else { return }
        isPurging = true
        lane.purge(.route(route)) { [self] _ in
            let waiting = held ?? []
            held = nil
            for deliver in waiting { deliver() }
        }
    }
}
