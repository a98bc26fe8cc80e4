internal import FoundationEssentials
internal import PostgresClient

/// A chat of one user.
struct Conversation: Encodable {
    let id: String
    let title: String?
    let createdAt: String
    let updatedAt: String

    init(_ row: PostgresRow) throws(PostgresError) {
        id = try row.decode("id", as: UUID.self).lowercased
        title = try row.decode("title")
        createdAt = try row.decode("created_at", as: PostgresTimestamp.self).rfc3339
        updatedAt = try row.decode("updated_at", as: PostgresTimestamp.self).rfc3339
    }

    /// nil comes as `null`: clients find every member.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(title, forKey: .title)
        try container.encode(createdAt, forKey: .createdAt)
        try container.encode(updatedAt, forKey: .updatedAt)
    }

    private enum CodingKeys: CodingKey { case id, title, createdAt, updatedAt }
}

/// One question or answer.
struct Message: Codable {
    let id: String
    let role: Role
    let content: String
    let createdAt: String

    enum Role: String, Codable { case user, assistant }

    init(id: UUID, role: Role, content: String, createdAt: PostgresTimestamp) {
        self.id = id.lowercased
        self.role = role
        self.content = content
        self.createdAt = createdAt.rfc3339
    }

    init(_ row: PostgresRow) throws(PostgresError) {
        id = try row.decode("id", as: UUID.self).lowercased
        role = Role(rawValue: try row.decode("role")) ?? .user
        content = try row.decode("content")
        createdAt = try row.decode("created_at", as: PostgresTimestamp.self).rfc3339
    }
}

extension UUID {
    /// RFC 9562, 4: lower case on output.
    var lowercased: String { uuidString.lowercased() }
}
