internal import FoundationEssentials
internal import PostgresClient

/// Conversations and their messages in Postgres. Every statement names the user: another's rows are as if they were not there.
struct ConversationStore: Sendable {
    let pool: PostgresPool

    struct Page<Item: Sendable>: Sendable {
        let items: [Item]
        /// nil: the last page.
        let nextCursor: String?
    }

    private static let columns = "id, title, created_at, updated_at"

    func list(user: String, after key: Cursor.ConversationKey?, limit: Int) async throws(PostgresError) -> Page<
        Conversation
    > {
        // One more than asked for tells whether there is another page.
        let rows: PostgresRows
        if let key {
            rows = try await pool.query(
                """
                SELECT \(Self.columns) FROM conversation
                WHERE user_id = $1 AND (created_at, id) < ($2, $3)
                ORDER BY created_at DESC, id DESC LIMIT $4
                """,
                [.text(user), .timestamp(key.createdAt), .uuid(key.id), .integer(Int64(limit + 1))],
                retry: .idempotent
            )
        } else {
            rows = try await pool.query(
                "SELECT \(Self.columns) FROM conversation WHERE user_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2",
                [.text(user), .integer(Int64(limit + 1))],
                retry: .idempotent
            )
        }
        var items: [Conversation] = []
        for row in rows.prefix(limit) { items.append(try Conversation(row)) }
        guard rows.count > limit, limit > 0 else { return Page(items: items, nextCursor: nil) }
        let last = rows[limit - 1]
        let next = Cursor.ConversationKey(createdAt: try last.decode("created_at"), id: try last.decode("id"))
        return Page(items: items, nextCursor: Cursor.encode(next))
    }

    func find(_ id: UUID, user: String, until limit: ContinuousClock.Instant? = nil) async throws -> Conversation {
        try one(
            await pool.query(
                "SELECT \(Self.columns) FROM conversation WHERE id = $1 AND user_id = $2",
                [.uuid(id), .text(user)],
                retry: .idempotent,
                until: limit
            )
        )
    }

    func rename(_ id: UUID, user: String, title: String?) async throws -> Conversation {
        try one(
            await pool.query(
                """
                UPDATE conversation SET title = $3, updated_at = now() WHERE id = $1 AND user_id = $2
                RETURNING \(Self.columns)
                """,
                [.uuid(id), .text(user), .text(orNull: title)],
                retry: .idempotent
            )
        )
    }

    func delete(_ id: UUID, user: String) async throws {
        let rows = try await pool.query(
            "DELETE FROM conversation WHERE id = $1 AND user_id = $2",
            [.uuid(id), .text(user)]
        )
        guard rows.affectedRows == 1 else { throw Problem.noSuchConversation }
    }

    /// Writes a new conversation in the caller's transaction.
    func insert(_ id: UUID, user: String, title: String?, on connection: PostgresConnection) async throws
        -> Conversation
    {
        try one(
            await connection.query(
                """
                INSERT INTO conversation (id, user_id, title) VALUES ($1, $2, $3)
                ON CONFLICT (id) DO UPDATE SET title = excluded.title WHERE conversation.user_id = excluded.user_id
                RETURNING \(Self.columns)
                """,
                [.uuid(id), .text(user), .text(orNull: title)]
            )
        )
    }

    func messages(
        of conversation: UUID,
        user: String,
        after sequence: Int64?,
        limit: Int
    ) async throws -> Page<Message> {
        let waitLimit = pool.waitLimit
        _ = try await find(conversation, user: user, until: waitLimit)
        let rows = try await pool.query(
            """
            SELECT id, role, content, created_at, sequence FROM message
            WHERE conversation_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3
            """,
            [.uuid(conversation), .integer(sequence ?? 0), .integer(Int64(limit + 1))],
            retry: .idempotent,
            until: waitLimit
        )
        let items = try rows.prefix(limit).map { try Message($0) }
        guard rows.count > limit, limit > 0 else { return Page(items: items, nextCursor: nil) }
        return Page(items: items, nextCursor: Cursor.encode(sequence: try rows[limit - 1].decode("sequence")))
    }

    /// - Throws: 404.
    private func one(_ rows: PostgresRows) throws -> Conversation {
        guard let row = rows.first else { throw Problem.noSuchConversation }
        return try Conversation(row)
    }
}
