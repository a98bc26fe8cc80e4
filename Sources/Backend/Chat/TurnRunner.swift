internal import FoundationEssentials
internal import Logging
internal import NIOCore

/// Runs chat turns. A turn belongs to no connection: who asked may leave, it is finished and stored all the same.
struct TurnRunner: Sendable {
    private static let historyLength = 40
    private static let passages = 5
    /// Between two signs of life in a stream.
    private static let heartbeat = Duration.seconds(15)

    let store: TurnStore
    let gemini: Gemini
    let pinecone: Pinecone
    let running: RunningTurns
    let metrics: BackendMetrics
    let logger: Logger

    struct Question: Sendable {
        let text: String
        /// nil: a new one.
        let conversation: UUID?
        let caller: CallerContext
        let claim: IdempotencyClaim?
        /// Whether the text is wanted piece by piece.
        let isStreamed: Bool
    }

    /// Checks that there is something to answer, then starts the turn.
    ///
    /// - Parameter waitLimit: of the pool, for what comes before the turn.
    /// - Returns: its events; the last is `.finished` or `.failed`. Dropping them does not stop it.
    /// - Throws: 404; the database's errors. The claim is given back.
    func start(
        _ question: Question,
        until waitLimit: ContinuousClock.Instant
    ) async throws -> AsyncStream<TurnEvent> {
        let history: [TurnStore.Utterance]
        do {
            history = try await store.history(
                of: question.conversation,
                user: question.caller.user,
                limit: Self.historyLength,
                until: waitLimit
            )
        } catch {
            await question.claim?.abandon(after: error)
            throw error
        }
        // Holds at most one answer, which is bounded: a slow reader cannot make it grow further.
        let (events, continuation) = AsyncStream.makeStream(of: TurnEvent.self)
        running.begin()
        Task {
            await run(question, history, continuation)
            running.end()
        }
        return events
    }

    private func run(
        _ question: Question,
        _ history: [TurnStore.Utterance],
        _ continuation: AsyncStream<TurnEvent>.Continuation
    ) async {
        let conversation = question.conversation ?? UUID()
        let heartbeat = Task {
            while (try? await Task.sleep(for: Self.heartbeat)) != nil { continuation.yield(.waiting) }
        }
        defer {
            heartbeat.cancel()
            continuation.finish()
        }
        continuation.yield(.started(conversation: conversation.lowercased))
        do {
            let body: ByteBuffer
            if let claim = question.claim {
                body = try await claim.holding { try await answer(question, in: conversation, history, continuation) }
            } else {
                body = try await answer(question, in: conversation, history, continuation)
            }
            metrics.turnEnded(stored: true)
            continuation.yield(.finished(body: String(buffer: body)))
        } catch {
            metrics.turnEnded(stored: false)
            continuation.yield(.failed(Problem(from: error, logger: logger)))
        }
    }

    /// - Returns: the answer's JSON, which is stored.
    private func answer(
        _ question: Question,
        in conversation: UUID,
        _ history: [TurnStore.Utterance],
        _ continuation: AsyncStream<TurnEvent>.Continuation
    ) async throws -> ByteBuffer {
        let vector = try await gemini.embed(question.text, for: .question, as: question.caller)
        let matches = try await pinecone.query(
            vector,
            count: Self.passages,
            as: question.caller
        )
        let prompt = Prompt(question: question.text, history: history, passages: matches)
        let forward: @Sendable (String) -> Void = { continuation.yield(.text($0)) }
        let generation = try await gemini.generate(
            prompt,
            as: question.caller,
            onText: question.isStreamed ? forward : nil
        )
        return try await store.store(
            TurnStore.Turn(
                conversation: conversation,
                isNewConversation: question.conversation == nil,
                user: question.caller.user,
                question: question.text,
                // Postgres has no text with NUL in it.
                answer: generation.text.filter { $0 != "\0" },
                sources: matches.map { Source(id: $0.id, score: $0.score, title: $0.metadata?.title) },
                usage: generation.usage,
                claim: question.claim
            )
        )
    }
}
