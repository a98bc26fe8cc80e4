/// Turns texts into unit vectors of which those are near each other that share words.
///
/// A bag of words: each word adds eight entries of ±1 at places that its hash selects, so the vectors of two words are
/// nearly orthogonal, and the cosine of two texts is about the share of words that they have in common.
package struct Embedder: Sendable {
    package let dimension: Int

    /// - Parameter dimension: length of the vectors, at least 1.
    package init(dimension: Int) {
        precondition(dimension > 0)
        self.dimension = dimension
    }

    package func embed(_ text: String) -> [Float] {
        var vector = [Float](repeating: 0, count: dimension)
        for word in text.lowercased().split(whereSeparator: { !$0.isLetter && !$0.isNumber }) {
            add(textHash(word.utf8), to: &vector)
        }
        // No word, or words that cancel out: the whole text counts as one word.
        if vector.allSatisfy({ $0 == 0 }) { vector[Int(textHash(text.utf8) % UInt64(dimension))] = 1 }
        return vector.normalized
    }

    private func add(_ hash: UInt64, to vector: inout [Float]) {
        var generator = SeededGenerator(seed: hash)
        for _ in 0..<8 {
            let drawn = generator.next()
            vector[Int(drawn % UInt64(dimension))] += drawn >> 63 == 0 ? 1 : -1
        }
    }
}

extension [Float] {
    /// The vector scaled to length 1; the zero vector stays as it is.
    package var normalized: [Float] {
        let length = reduce(into: Float.zero) { $0 += $1 * $1 }.squareRoot()
        return length > 0 ? map { $0 / length } : self
    }
}
