/// A generated answer with its token counts.
struct Completion: Sendable {
    let text: String
    let promptTokens: Int
    let textTokens: Int
    private let bytesPerToken: Double
    /// Whether the caller's limit cut the answer short.
    let isCutShort: Bool
    /// The same for the same prompt.
    let id: String

    init(prompt: String, question: String, maximumTokens: Int?, words: Int, bytesPerToken: Double = 4) {
        self.bytesPerToken = bytesPerToken
        let full = AnswerWriter(words: words).answer(to: question)
        if let maximumTokens, maximumTokens > 0, tokenCount(of: full, bytesPerToken: bytesPerToken) > maximumTokens {
            text = Self.prefix(of: full, bytes: Int(Double(maximumTokens) * bytesPerToken))
            isCutShort = true
        } else {
            text = full
            isCutShort = false
        }
        promptTokens = tokenCount(of: prompt, bytesPerToken: bytesPerToken)
        textTokens = tokenCount(of: text, bytesPerToken: bytesPerToken)
        id = String(textHash(prompt.utf8), radix: 36)
    }

    func whole(_ model: String) -> GenerateContentResponse {
        response(model, text: text, tokens: textTokens, finishes: true)
    }

    /// Token counts grow from chunk to chunk; the last one's hold for the whole answer.
    func chunks(_ model: String, count: Int) -> [GenerateContentResponse] {
        let pieces = AnswerWriter.pieces(of: text, count: count)
        var bytes = 0
        return pieces.enumerated().map { index, piece in
            bytes += piece.utf8.count
            let isLast = index == pieces.count - 1
            return response(
                model,
                text: piece,
                tokens: isLast ? textTokens : max(1, Int(Double(bytes) / bytesPerToken)),
                finishes: isLast
            )
        }
    }

    private func response(_ model: String, text: String, tokens: Int, finishes: Bool) -> GenerateContentResponse {
        GenerateContentResponse(
            candidates: [
                GenerateContentResponse.Candidate(
                    content: Content(role: "model", parts: [Content.Part(text: text)]),
                    finishReason: finishes ? (isCutShort ? "MAX_TOKENS" : "STOP") : nil,
                    index: 0
                )
            ],
            usageMetadata: UsageMetadata(prompt: promptTokens, candidates: tokens),
            modelVersion: model,
            responseId: id
        )
    }

    private static func prefix(of text: String, bytes: Int) -> String {
        var length = 0
        return String(
            text.prefix {
                length += $0.utf8.count; return length <= bytes
            }
        )
    }
}
