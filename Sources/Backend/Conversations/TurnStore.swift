internal import FoundationEssentials
internal import NIOCore
internal import PostgresClient

/// Reads what a turn builds on, and writes what it made: all of it, or nothing.
struct TurnStore: Sendable {
    let pool: PostgresPool
    let conversations: ConversationStore

    init(pool: PostgresPool) {
        self.pool = pool
        conversations = ConversationStore(pool: pool)
    }

    struct Utterance: Equatable, Sendable {
        let role: Message.Role
        let content: String
    }

    /// A turn to be stored. Its ids are made before, so storing it twice is storing it once.
    struct Turn: Sendable {
        let conversation: UUID
        /// The first turn of a conversation brings it into being.
        let isNewConversation: Bool
        let user: String
        let question: String
        let answer: String
        let questionID = UUID()
        let answerID = UUID()
        let sources: [Source]
        let usage: Usage
        let claim: IdempotencyClaim?
    }

    /// What was said before, oldest first.
    ///
    /// - Parameters:
    ///   - conversation: nil: a new one.
    ///   - limit: of messages, the newest ones.
    ///   - waitLimit: of the pool, for all statements together.
    /// - Throws: 404; for a new conversation too, that Postgres is away.
    func history(
        of conversation: UUID?,
        user: String,
        limit: Int,
        until waitLimit: ContinuousClock.Instant
    ) async throws -> [Utterance] {
        guard let conversation else {
            // Models cost money and time: they are not asked for an answer that could not be stored.
            try await pool.query("SELECT 1", retry: .idempotent, until: waitLimit)
            return []
        }
        _ = try await conversations.find(conversation, user: user, until: waitLimit)
        let rows = try await pool.query(
            "SELECT role, content FROM message WHERE conversation_id = $1 ORDER BY sequence DESC LIMIT $2",
            [.uuid(conversation), .integer(Int64(limit))],
            retry: .idempotent,
            until: waitLimit
        )
        return try rows.reversed().map { row in
            Utterance(role: Message.Role(rawValue: try row.decode("role")) ?? .user, content: try row.decode("content"))
        }
    }

    /// Stores question, answer and, where the turn has an idempotency key, the answer that the key stands for.
    ///
    /// - Returns: the answer as the caller gets it.
    /// - Throws: 404 where the conversation was deleted meanwhile.
    func store(_ turn: Turn) async throws -> ByteBuffer {
        try await pool.transaction(isIdempotent: true) { connection in
            if turn.isNewConversation {
                _ = try await conversations.insert(
                    turn.conversation,
                    user: turn.user,
                    title: Self.title(for: turn.question),
                    on: connection
                )
            }
            // Locks the conversation: turns that end at the same time are numbered one after the other.
            let touched = try await connection.query(
                "UPDATE conversation SET updated_at = now() WHERE id = $1 AND user_id = $2",
                [.uuid(turn.conversation), .text(turn.user)]
            )
            guard touched.affectedRows == 1 else { throw Problem.noSuchConversation }
            try await insert(turn.questionID, .user, turn.question, in: turn, on: connection)
            let rows = try await insert(turn.answerID, .assistant, turn.answer, in: turn, on: connection)
            guard let row = rows.first else { throw PostgresError.unexpectedColumn("created_at") }
            let message = Message(
                id: turn.answerID,
                role: .assistant,
                content: turn.answer,
                createdAt: try row.decode("created_at")
            )
            let answer = TurnAnswer(
                conversationId: turn.conversation.lowercased,
                message: message,
                sources: turn.sources,
                usage: turn.usage
            )
            let body = JSON.encode(answer)
            try await turn.claim?.complete(status: 200, body: body, on: connection)
            return body
        }
    }

    @discardableResult
    private func insert(
        _ id: UUID,
        _ role: Message.Role,
        _ content: String,
        in turn: Turn,
        on connection: PostgresConnection
    ) async throws(PostgresError) -> PostgresRows {
        let isAnswer = role == .assistant
        return try await connection.query(
            """
            INSERT INTO message (id, conversation_id, role, content, sources, input_tokens, output_tokens)
            VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (id) DO UPDATE SET content = excluded.content
            RETURNING created_at
            """,
            [
                .uuid(id), .uuid(turn.conversation), .text(role.rawValue), .text(content),
                isAnswer ? .json(String(buffer: JSON.encode(turn.sources))) : .null,
                isAnswer ? .integer(Int64(turn.usage.inputTokens)) : .null,
                isAnswer ? .integer(Int64(turn.usage.outputTokens)) : .null,
            ]
        )
    }

    /// The question's first line, cut at a word.
    static func title(for question: String) -> String {
        let line = question.split(whereSeparator: \.isNewline).first ?? ""
        guard line.count > 60 else { return String(line) }
        let cut = line.prefix(60)
        guard let space = cut.lastIndex(of: " "), cut.distance(from: cut.startIndex, to: space) > 20 else {
            return cut + "…"
        }
        return cut[..<space] + "…"
    }
}
