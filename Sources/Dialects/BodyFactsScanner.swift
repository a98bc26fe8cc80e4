package import NIOCore

/// Finds a few top-level members of a JSON object in a body that comes in pieces.
///
/// Bounded memory whatever the body holds. Feed no more than the bytes that are kept anyway; where `isComplete` is
/// still false then, `missing` says what has not been seen.
package struct BodyFactsScanner {
    private enum Expected {
        case object, keyOrEnd, key, colon, value, commaOrEnd
    }
    private enum Verdict {
        case reading, complete, malformed
    }

    /// What has been found so far; empty for a malformed body.
    package private(set) var facts = BodyFacts()
    /// What has been asked for and not been found so far.
    package private(set) var missing: BodyFacts.Wanted
    /// Whether more bytes change nothing: all is found, the object is closed, or the body is no JSON object.
    package var isComplete: Bool { verdict != .reading }
    package var isMalformed: Bool { verdict == .malformed }

    private let wanted: BodyFacts.Wanted
    private var verdict = Verdict.reading
    private var lexer = JSONLexer()
    private var expected = Expected.object
    private var depth = 0
    private var member: BodyFacts.Wanted = []
    private var items = 0
    private var holdsNumbers = false

    package init(wanted: BodyFacts.Wanted) {
        self.wanted = wanted
        missing = wanted
        if wanted.isEmpty { verdict = .complete }
    }

    package mutating func feed(_ chunk: ByteBuffer) {
        let bytes = chunk.readableBytesUInt8Span
        var index = 0
        while verdict == .reading {
            lexer.captures = depth == 1 && (expected == .keyOrEnd || expected == .key || !member.isEmpty)
            guard let token = lexer.next(in: bytes, from: &index) else { return }
            if depth > 1 {
                takeNested(token)
            } else {
                takeTopLevel(token)
            }
        }
    }

    private mutating func takeTopLevel(_ token: JSONLexer.Token) {
        switch (expected, token) {
        case (.object, .beginObject):
            depth = 1
            expected = .keyOrEnd
        case (.keyOrEnd, .string), (.key, .string):
            member = memberNamedByText()
            expected = .colon
        case (.keyOrEnd, .endObject), (.commaOrEnd, .endObject):
            verdict = .complete
        case (.colon, .colon):
            expected = .value
        case (.value, .string), (.value, .scalar):
            takeValue(isString: token == .string)
            finishMember()
        case (.value, .beginObject), (.value, .beginArray):
            depth = 2
            items = 0
            holdsNumbers = false
            if token == .beginObject { member = [] }
        case (.commaOrEnd, .comma):
            expected = .key
        default:
            verdict = .malformed
            facts = BodyFacts()
            missing = wanted
        }
    }

    private mutating func takeNested(_ token: JSONLexer.Token) {
        switch token {
        case .beginObject, .beginArray:
            if depth == 2 { items = max(1, items) }
            depth += 1
        case .endObject, .endArray:
            depth -= 1
            if depth == 1 {
                if !member.isDisjoint(with: [.requests, .input]) {
                    found(member)
                    facts.items = member == .input && holdsNumbers ? 1 : items
                }
                finishMember()
            }
        case .string:
            if depth == 2 { items = max(1, items) }
        case .scalar:
            if depth == 2 {
                if items == 0 { holdsNumbers = true }
                items = max(1, items)
            }
        case .comma:
            if depth == 2 { items += 1 }
        case .colon, .invalid:
            break
        }
    }

    private mutating func takeValue(isString: Bool) {
        switch member {
        case .model where isString && !lexer.isTruncated:
            facts.model = lexer.decodedText
            found(.model)
        case .stream where !isString:
            facts.stream = lexer.textEquals("true")
            found(.stream)
        case .input:
            facts.items = 1
            found(.input)
        default:
            break
        }
    }

    private mutating func found(_ member: BodyFacts.Wanted) {
        missing.subtract(member)
    }

    private mutating func finishMember() {
        member = []
        expected = .commaOrEnd
        if missing.isEmpty { verdict = .complete }
    }

    private func memberNamedByText() -> BodyFacts.Wanted {
        let named: BodyFacts.Wanted
        if lexer.textEquals("model") {
            named = .model
        } else if lexer.textEquals("stream") {
            named = .stream
        } else if lexer.textEquals("requests") {
            named = .requests
        } else if lexer.textEquals("input") {
            named = .input
        } else {
            named = []
        }
        return named.intersection(wanted)
    }
}
