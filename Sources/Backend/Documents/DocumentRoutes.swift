internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PostgresClient

/// `POST /documents`.
struct DocumentRoutes: Sendable {
    private static let maxBody = 2 << 20
    private static let maxTextCharacters = 200_000
    private static let maxTitleCharacters = 200

    let importer: DocumentImporter
    let idempotency: IdempotencyStore
    let running: RunningTurns
    let timeout: Duration

    private struct Body: Decodable {
        let title: String?
        let text: String
    }

    func add(to group: RouterGroup<BackendContext>) {
        group.post("documents") { request, context in try await create(request, context) }
    }

    private func create(_ request: Request, _ context: BackendContext) async throws -> Response {
        let (body, bytes) = try await JSON.body(Body.self, of: request, upTo: Self.maxBody)
        guard body.text.count <= Self.maxTextCharacters else {
            throw Problem.invalid("text", "must be at most \(Self.maxTextCharacters) characters long")
        }
        guard !body.text.utf8.contains(0) else { throw Problem.invalid("text", "must not contain U+0000") }
        let title = body.title.flatMap { $0.isEmpty ? nil : $0 }
        if let title, title.count > Self.maxTitleCharacters || title.utf8.contains(0) {
            throw Problem.invalid("title", "must be at most \(Self.maxTitleCharacters) characters long, without U+0000")
        }
        let chunks = Chunker.chunks(of: body.text)
        guard !chunks.isEmpty else { throw Problem.invalid("text", "must not be empty") }
        var claim: IdempotencyClaim?
        if let key = request.headers[.idempotencyKey] {
            let admission = try await idempotency.admit(
                key: key,
                user: context.user,
                path: "/documents",
                body: bytes,
                until: idempotency.pool.waitLimit
            )
            switch admission {
            case .proceed(let admitted): claim = admitted
            case .replay(let status, let body): return JSON.response(body, status: .init(code: status))
            }
        }
        let caller = CallerContext(
            user: context.user,
            priority: request.headers[.priority],
            deadline: ContinuousClock.now + timeout
        )
        let document = DocumentImporter.Document(title: title, chunks: chunks, claim: claim)
        // Like a turn, it is finished even if the caller leaves: half a document would be worse.
        running.begin()
        let work = Task {
            defer { running.end() }
            guard let claim = document.claim else { return try await importer.add(document, as: caller) }
            return try await claim.holding { try await importer.add(document, as: caller) }
        }
        return JSON.response(try await work.value, status: .created)
    }
}
