internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PostgresClient

/// `POST /chat`.
struct ChatRoutes: Sendable {
    private static let maxBody = 256 << 10
    private static let maxMessageBytes = 32_000

    let turns: TurnRunner
    let idempotency: IdempotencyStore
    /// Of a turn, where the caller names none.
    let timeout: Duration

    private struct Body: Decodable {
        let message: String
        let conversationId: String?
        let stream: Bool?
    }

    func add(to group: RouterGroup<BackendContext>) {
        group.post("chat") { request, context in try await chat(request, context) }
    }

    private func chat(_ request: Request, _ context: BackendContext) async throws -> Response {
        let (body, bytes) = try await JSON.body(Body.self, of: request, upTo: Self.maxBody)
        let text = try Self.message(body.message)
        let conversation = try body.conversationId.map { text throws(Problem) in
            guard let id = UUID(uuidString: text) else { throw .invalid("conversation_id", "must be a UUID") }
            return id
        }
        let isStreamed = body.stream ?? (request.headers[.accept]?.contains("text/event-stream") ?? false)
        let caller = CallerContext(
            user: context.user,
            priority: request.headers[.priority],
            deadline: ContinuousClock.now + Self.timeout(request.headers[.serverTimeout], default: timeout)
        )
        let waitLimit = idempotency.pool.waitLimit
        var claim: IdempotencyClaim?
        if let key = request.headers[.idempotencyKey] {
            let admission = try await idempotency.admit(
                key: key,
                user: context.user,
                path: "/chat",
                body: bytes,
                until: waitLimit
            )
            switch admission {
            case .proceed(let admitted): claim = admitted
            case .replay(let status, let body):
                return isStreamed ? try EventStream.replay(body) : JSON.response(body, status: .init(code: status))
            }
        }
        let events = try await turns.start(
            TurnRunner.Question(
                text: text,
                conversation: conversation,
                caller: caller,
                claim: claim,
                isStreamed: isStreamed
            ),
            until: waitLimit
        )
        if isStreamed { return EventStream.response(events) }
        for await event in events {
            switch event {
            case .finished(let body): return JSON.response(ByteBuffer(string: body))
            case .failed(let problem): throw problem
            case .started, .text, .waiting: continue
            }
        }
        // The caller left, so nobody reads this.
        throw Problem(.serviceUnavailable, "the turn goes on without its caller", retryAfter: 1)
    }

    private static func message(_ text: String) throws(Problem) -> String {
        guard text.utf8.count <= maxMessageBytes else {
            throw .invalid("message", "must be at most \(maxMessageBytes) bytes long")
        }
        guard text.contains(where: { !$0.isWhitespace }) else { throw .invalid("message", "must not be empty") }
        guard !text.utf8.contains(0) else { throw .invalid("message", "must not contain U+0000") }
        return text
    }

    /// The caller's own deadline, as google-genai sends it: seconds.
    private static func timeout(_ field: String?, default timeout: Duration) -> Duration {
        guard let field, let seconds = Double(field), seconds > 0, seconds < 86_400 else { return timeout }
        return .seconds(seconds)
    }
}
