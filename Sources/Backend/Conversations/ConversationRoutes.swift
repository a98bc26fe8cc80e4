internal import FoundationEssentials
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PostgresClient

/// `/conversations` and what is below it.
struct ConversationRoutes: Sendable {
    private static let maxBody = 16 << 10
    private static let maxTitleCharacters = 200

    let store: ConversationStore
    let idempotency: IdempotencyStore

    private struct TitleBody: Decodable {
        let title: String?
    }

    private struct ConversationList: Encodable {
        let conversations: [Conversation]
        let nextCursor: String?
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(conversations, forKey: .conversations)
            try container.encode(nextCursor, forKey: .nextCursor)
        }
        private enum CodingKeys: CodingKey { case conversations, nextCursor }
    }

    private struct MessageList: Encodable {
        let messages: [Message]
        let nextCursor: String?
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(messages, forKey: .messages)
            try container.encode(nextCursor, forKey: .nextCursor)
        }
        private enum CodingKeys: CodingKey { case messages, nextCursor }
    }

    func add(to group: RouterGroup<BackendContext>) {
        group.post("conversations") { request, context in try await create(request, context) }
        group.get("conversations") { request, context in try await list(request, context) }
        group.get("conversations/:id") { _, context in
            JSON.response(try await store.find(try Self.id(context), user: context.user))
        }
        group.patch("conversations/:id") { request, context in
            let id = try Self.id(context)
            let (body, _) = try await JSON.body(TitleBody.self, of: request, upTo: Self.maxBody)
            return JSON.response(try await store.rename(id, user: context.user, title: try Self.title(body.title)))
        }
        group.delete("conversations/:id") { _, context in
            try await store.delete(try Self.id(context), user: context.user)
            return Response(status: .noContent)
        }
        group.get("conversations/:id/messages") { request, context in try await messages(request, context) }
    }

    private func create(_ request: Request, _ context: BackendContext) async throws -> Response {
        // The title is optional, and so is the body.
        let bytes = try await request.body.collect(upTo: Self.maxBody)
        var title: String?
        if bytes.readableBytes > 0 {
            let again = Request(head: request.head, body: RequestBody(buffer: bytes))
            title = try Self.title(try await JSON.body(TitleBody.self, of: again, upTo: Self.maxBody).0.title)
        }
        let waitLimit = store.pool.waitLimit
        var claim: IdempotencyClaim?
        if let key = request.headers[.idempotencyKey] {
            let admission = try await idempotency.admit(
                key: key,
                user: context.user,
                path: "/conversations",
                body: bytes,
                until: waitLimit
            )
            switch admission {
            case .proceed(let admitted): claim = admitted
            case .replay(let status, let body): return JSON.response(body, status: .init(code: status))
            }
        }
        let work: @Sendable () async throws -> ByteBuffer = { [claim, title] in
            let id = UUID()
            return try await store.pool.transaction(isIdempotent: true, until: waitLimit) { connection in
                let conversation = try await store.insert(id, user: context.user, title: title, on: connection)
                let body = JSON.encode(conversation)
                try await claim?.complete(status: 201, body: body, on: connection)
                return body
            }
        }
        let body = if let claim { try await claim.holding(work) } else { try await work() }
        return JSON.response(body, status: .created)
    }

    private func list(_ request: Request, _ context: BackendContext) async throws -> Response {
        let limit = try Self.limit(request, default: 20)
        var key: Cursor.ConversationKey?
        if let cursor = request.uri.queryParameters["cursor"] {
            key = Cursor.conversation(String(cursor))
            guard key != nil else { throw Problem.invalid(parameter: "cursor", "is not one that was given out here") }
        }
        let page = try await store.list(user: context.user, after: key, limit: limit)
        return JSON.response(ConversationList(conversations: page.items, nextCursor: page.nextCursor))
    }

    private func messages(_ request: Request, _ context: BackendContext) async throws -> Response {
        let id = try Self.id(context)
        let limit = try Self.limit(request, default: 50)
        var sequence: Int64?
        if let cursor = request.uri.queryParameters["cursor"] {
            sequence = Cursor.sequence(String(cursor))
            guard sequence != nil else {
                throw Problem.invalid(parameter: "cursor", "is not one that was given out here")
            }
        }
        let page = try await store.messages(of: id, user: context.user, after: sequence, limit: limit)
        return JSON.response(MessageList(messages: page.items, nextCursor: page.nextCursor))
    }

    /// What is no UUID is no conversation.
    private static func id(_ context: BackendContext) throws(Problem) -> UUID {
        guard let id = context.parameters.get("id").flatMap({ UUID(uuidString: $0) }) else { throw .noSuchConversation }
        return id
    }

    private static func limit(_ request: Request, default limit: Int) throws(Problem) -> Int {
        guard let text = request.uri.queryParameters["limit"] else { return limit }
        guard let limit = Int(text), (1...100).contains(limit) else {
            throw .invalid(parameter: "limit", "must be a number from 1 to 100")
        }
        return limit
    }

    /// An empty title is none.
    private static func title(_ title: String?) throws(Problem) -> String? {
        guard let title = title?.trimmingCharacters, !title.isEmpty else { return nil }
        guard title.count <= maxTitleCharacters else {
            throw .invalid("title", "must be at most \(maxTitleCharacters) characters long")
        }
        guard !title.utf8.contains(0) else { throw .invalid("title", "must not contain U+0000") }
        return title
    }
}

extension String {
    /// Without white space at both ends.
    fileprivate var trimmingCharacters: String {
        let start = drop(while: \.isWhitespace)
        guard let end = start.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(start[...end])
    }
}
