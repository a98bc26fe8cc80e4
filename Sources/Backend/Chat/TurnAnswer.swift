/// What a finished turn is to its caller.
struct TurnAnswer: Codable, Sendable {
    let conversationId: String
    let message: Message
    let sources: [Source]
    let usage: Usage
}

/// A passage that the answer was given with.
struct Source: Codable, Equatable, Sendable {
    let id: String
    let score: Double
    let title: String?

    init(id: String, score: Double, title: String?) {
        self.id = id
        self.score = score
        self.title = title
    }

    /// nil comes as `null`: clients find every member.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(score, forKey: .score)
        try container.encode(title, forKey: .title)
    }

    private enum CodingKeys: CodingKey { case id, score, title }
}

/// What happens while a turn runs.
enum TurnEvent: Sendable {
    case started(conversation: String)
    case text(String)
    /// Nothing new, but still at work.
    case waiting
    /// Stored; the answer as JSON.
    case finished(body: String)
    case failed(Problem)
}
