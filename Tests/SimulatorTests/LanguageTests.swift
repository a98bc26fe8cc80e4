internal import Simulator
internal import Testing

@Suite struct EmbedderTests {
    private let embedder = Embedder(dimension: 768)

    private func similarity(_ left: String, _ right: String) -> Float {
        DenseVector(embedder.embed(left)).cosine(DenseVector(embedder.embed(right)))
    }

    @Test("Embeddings are unit vectors of the asked dimension", arguments: [1, 8, 768, 3072])
    func unit(dimension: Int) {
        let vector = Embedder(dimension: dimension).embed("How does a lock gate work?")
        #expect(vector.count == dimension)
        #expect(abs(vector.reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
    }

    @Test("The same text has the same embedding, case and punctuation aside")
    func repeatable() {
        #expect(embedder.embed("A canal, at night") == embedder.embed("a CANAL at night!"))
    }

    @Test("Texts that share words are nearer than texts that share none")
    func nearness() {
        let question = "how do canal locks work"
        let near = similarity(question, "canal locks work by letting water in and out")
        let far = similarity(question, "my cat sleeps on the red sofa")
        #expect(near > 0.3)
        #expect(abs(far) < 0.2)
    }

    @Test("A text without words has an embedding too", arguments: ["", "…", "🚤"])
    func wordless(text: String) {
        #expect(abs(embedder.embed(text).reduce(0) { $0 + $1 * $1 } - 1) < 1e-5)
    }
}

@Suite struct AnswerWriterTests {
    @Test("An answer repeats the question and depends on nothing else")
    func deterministic() {
        let writer = AnswerWriter(words: 20)
        #expect(writer.answer(to: "Why is the sky blue?").hasPrefix("You asked: Why is the sky blue?"))
        #expect(writer.answer(to: "a") == writer.answer(to: "a"))
        #expect(writer.answer(to: "a").dropFirst(20) != writer.answer(to: "b").dropFirst(20))
    }

    @Test("Pieces are not empty and make up the text", arguments: [1, 2, 8, 1000])
    func pieces(count: Int) {
        let text = AnswerWriter(words: 40).answer(to: "Why?")
        let pieces = AnswerWriter.pieces(of: text, count: count)
        #expect(pieces.joined() == text)
        #expect(pieces.allSatisfy { !$0.isEmpty })
        #expect(pieces.count <= count)
        #expect(count > 10 || pieces.count == count)
    }

    @Test("Four bytes are a token, a short text is one", arguments: [("", 0), ("hi", 1), ("12345678", 2)])
    func tokens(text: String, count: Int) {
        #expect(tokenCount(of: text) == count)
    }

    @Test("Another rule of bytes a token", arguments: [(2.5, 3), (8.0, 1), (100.0, 1)])
    func otherTokens(bytes: Double, count: Int) {
        #expect(tokenCount(of: "12345678", bytesPerToken: bytes) == count)
    }
}
