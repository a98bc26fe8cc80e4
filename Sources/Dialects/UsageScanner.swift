package import NIOCore

/// Finds the last `usageMetadata` (Gemini) or `usage` (OpenAI, Pinecone inference) in an answer that comes in pieces:
/// one JSON object, an array of them, or server-sent events.
///
/// Only members of the outermost objects count, so that no text or function argument of a model is taken for usage.
/// Bounded memory whatever the answer holds.
package struct UsageScanner {
    private enum Member {
        case none, usage, error, promptTokens, toolUseTokens, candidatesTokens, thoughtsTokens, completionTokens, total
    }
    private static let counts: [(name: StaticString, member: Member)] = [
        ("promptTokenCount", .promptTokens), ("prompt_tokens", .promptTokens),
        ("toolUsePromptTokenCount", .toolUseTokens), ("candidatesTokenCount", .candidatesTokens),
        ("thoughtsTokenCount", .thoughtsTokens), ("completion_tokens", .completionTokens),
        ("totalTokenCount", .total), ("total_tokens", .total),
    ]

    private struct Counts {
        var prompt: Int?
        var toolUse = 0
        var candidates = 0
        var thoughts = 0
        var completion: Int?
        var total: Int?
    }

    /// `nil`: the answer has told none so far.
    package private(set) var usage: TokenUsage?
    /// Whether an error stands in the answer, whatever its status said. Such an answer is not to be cached.
    package private(set) var containsError = false

    private var lexer = JSONLexer()
    private var depth = 0
    /// Depth of the members of the outermost objects: 2 inside of Gemini's array.
    private var memberDepth = 1
    private var usageDepth = 0
    private var lastWasString = false
    private var member = Member.none
    private var counts = Counts()
    private var isAtLineStart = true
    private var isInComment = false

    package init() {
        lexer.captures = true
    }

    package mutating func feed(_ chunk: ByteBuffer) {
        let bytes = chunk.readableBytesUInt8Span
        var index = 0
        while true {
            if depth == 0 { skipToDocument(in: bytes, from: &index) }
            lexer.captures = depth <= memberDepth || usageDepth > 0
            guard let token = lexer.next(in: bytes, from: &index) else { return }
            take(token)
        }
    }

    /// Goes to the next bracket outside of a comment: field names of server-sent events are no JSON.
    private mutating func skipToDocument(in bytes: Span<UInt8>, from index: inout Int) {
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") {
                isAtLineStart = true
                isInComment = false
            } else if isAtLineStart {
                isAtLineStart = false
                isInComment = byte == .colon
            }
            if !isInComment, byte == UInt8(ascii: "{") || byte == UInt8(ascii: "[") {
                memberDepth = byte == UInt8(ascii: "[") ? 2 : 1
                return
            }
            index += 1
        }
    }

    private mutating func take(_ token: JSONLexer.Token) {
        switch token {
        case .beginObject, .beginArray:
            depth += 1
            if member == .usage, token == .beginObject {
                usageDepth = depth
                counts = Counts()
            }
            if member == .error { containsError = true }
            endMember()
        case .endObject, .endArray:
            if depth == usageDepth, usageDepth > 0 {
                usageDepth = 0
                commit()
            }
            depth = max(0, depth - 1)
            endMember()
        case .string:
            if member == .error { containsError = true }
            member = .none
            lastWasString = true
        case .colon:
            if lastWasString { member = memberNamedByText() }
            lastWasString = false
        case .scalar:
            takeScalar()
            endMember()
        case .comma:
            endMember()
        case .invalid:
            // A raw line break inside of a string: the event broke off. The next line begins anew.
            depth = 0
            usageDepth = 0
            isAtLineStart = true
            isInComment = false
            endMember()
        }
    }

    private mutating func endMember() {
        member = .none
        lastWasString = false
    }

    private mutating func takeScalar() {
        if member == .error {
            if !lexer.textEquals("null") { containsError = true }
            return
        }
        guard member != .none, !lexer.isTruncated, let told = Int(lexer.decodedText), told >= 0 else { return }
        let count = min(told, TokenUsage.mostInOneAnswer)
        switch member {
        case .none, .usage, .error: break
        case .promptTokens: counts.prompt = count
        case .toolUseTokens: counts.toolUse = count
        case .candidatesTokens: counts.candidates = count
        case .thoughtsTokens: counts.thoughts = count
        case .completionTokens: counts.completion = count
        case .total: counts.total = count
        }
    }

    private func memberNamedByText() -> Member {
        if usageDepth > 0 {
            guard depth == usageDepth else { return .none }
            return Self.counts.first { lexer.textEquals($0.name) }?.member ?? .none
        }
        guard depth == memberDepth else { return .none }
        if lexer.textEquals("usageMetadata") || lexer.textEquals("usage") { return .usage }
        return lexer.textEquals("error") ? .error : .none
    }

    /// Where OpenAI's form leaves thoughts out of `completion_tokens`, the total has them.
    private mutating func commit() {
        guard counts.prompt != nil || counts.total != nil else { return }
        let input = counts.prompt ?? counts.total ?? 0
        if let completion = counts.completion {
            usage = TokenUsage(input: input, output: max(completion, (counts.total ?? 0) - input))
        } else {
            usage = TokenUsage(input: input + counts.toolUse, output: counts.candidates + counts.thoughts)
        }
    }
}
