/// Writes answers that depend on nothing but the question.
package struct AnswerWriter: Sendable {
    /// Length of the part that does not repeat the question.
    package let words: Int

    package init(words: Int) { self.words = words }

    /// A sentence that repeats the question, shortened to 400 characters, and filler that its hash selects.
    package func answer(to question: String) -> String {
        let asked = question.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        let shown = asked.count > 400 ? asked.prefix(400) + "…" : asked[...]
        guard words > 0 else { return "You asked: \(shown)" }
        var generator = SeededGenerator(seed: textHash(question.utf8))
        var filler = ""
        for index in 0..<words {
            let word = Self.vocabulary[Int.random(in: 0..<Self.vocabulary.count, using: &generator)]
            let opensSentence = index.isMultiple(of: 12)
            filler += opensSentence ? (index == 0 ? " " : ". ") + word.capitalizedFirst : " " + word
        }
        return "You asked: \(shown)\n\nThis is the simulator's answer.\(filler)."
    }

    /// Cuts a text into at most `count` pieces at word boundaries; none is empty, together they are the text.
    package static func pieces(of text: String, count: Int) -> [String] {
        let bounds = text.indices.filter { text[$0].isWhitespace }
        let wanted = min(count, bounds.count + 1)
        guard wanted > 1 else { return [text] }
        var pieces: [String] = []
        var start = text.startIndex
        for number in 1..<wanted {
            let end = bounds[number * bounds.count / wanted]
            if end > start {
                pieces.append(String(text[start..<end]))
                start = end
            }
        }
        pieces.append(String(text[start...]))
        return pieces
    }

    private static let vocabulary = [
        "a", "balance", "between", "bounded", "buckets", "calls", "clear", "each", "every", "fair", "flow", "for",
        "gateways", "keep", "later", "limits", "many", "measure", "models", "of", "one", "order", "our", "paced",
        "patience", "quiet", "queues", "rather", "requests", "slots", "some", "steady", "streams", "than", "the",
        "their", "time", "tokens", "turns", "wait", "well", "windows", "with", "without",
    ]
}

extension String {
    fileprivate var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}

/// Four bytes of UTF-8 count as a token, as a rule of thumb that is right within a third for English; at least one.
/// - Parameter bytesPerToken: another rule, as other languages and models have it.
package func tokenCount(of text: String, bytesPerToken: Double = 4) -> Int {
    text.isEmpty ? 0 : max(1, Int(Double(text.utf8.count) / bytesPerToken))
}
