import Dialects
import NIOCore
import Testing

@Suite struct CallShapeTests {
    private func shape(_ target: String, _ dialect: Dialect) -> CallShape {
        let parts = target.split(separator: "?", maxSplits: 1)
        return CallShape(
            path: ByteBuffer(string: String(parts[0])).readableBytesView,
            query: parts.count > 1 ? ByteBuffer(string: String(parts[1])).readableBytesView : nil,
            dialect: dialect
        )
    }

    @Test(
        "Native Gemini: the method is behind the last colon, the model between models/ and it",
        arguments: [
            ("/v1/models/gemini-2.5-flash:generateContent", "generateContent", "gemini-2.5-flash"),
            ("/v1beta/models/gemini-2.5-flash%3AgenerateContent", "generateContent", "gemini-2.5-flash"),
            ("/v1alpha/models/gemini-2.5-flash%3acountTokens", "countTokens", "gemini-2.5-flash"),
            ("/v1beta/models/gemini%2D2.5:embedContent", "embedContent", "gemini-2.5"),
            ("/v1beta/models/m:batchEmbedContents", "batchEmbedContents", "m"),
            ("/v1beta/models/m:stream%47enerateContent", "streamGenerateContent", "m"),
            ("/v1beta/tunedModels/a%20b:c:generateContent", "generateContent", "tunedModels/a b:c"),
            ("/prefix/v1beta/models/m:batchGenerateContent", "batchGenerateContent", "m"),
            ("/v1beta/batches/123:cancel", "cancel", nil),
            ("/v1beta/files/abc:download", "download", nil),
            ("/v1beta/models/gemini-2.5-flash", nil, nil),
            ("/v1beta/models", nil, nil),
            ("/v1beta/models/m:", nil, nil),
            ("/v1beta/a:b/files", nil, nil),
            ("/upload/v1beta/files", nil, nil),
            ("/", nil, nil),
        ] as [(String, String?, String?)]
    )
    func gemini(path: String, method: String?, model: String?) {
        let shape = shape(path, .gemini)
        #expect(shape.method?.name == method)
        #expect(shape.model == model)
        #expect(!shape.isOpenAI)
    }

    @Test("A Gemini stream is framed as alt says")
    func framing() {
        #expect(shape("/v1/models/m:streamGenerateContent?alt=sse", .gemini).framing == .serverSentEvents)
        #expect(shape("/v1/models/m:streamGenerateContent?key=k&%61lt=ss%65", .gemini).framing == .serverSentEvents)
        #expect(shape("/v1/models/m:streamGenerateContent?alt=json", .gemini).framing == .jsonArray)
        #expect(shape("/v1/models/m:streamGenerateContent", .gemini).framing == .jsonArray)
        #expect(shape("/v1/models/m:generateContent?alt=sse", .gemini).framing == .document)
    }

    @Test("A batch costs as many items as its requests")
    func batch() {
        var shape = shape("/v1beta/models/e:batchEmbedContents", .gemini)
        #expect(shape.needs == .requests)
        #expect(shape.items == 1)
        shape.complete(with: BodyFacts(model: "ignored", items: 7))
        #expect(shape.items == 7)
        #expect(shape.model == "e")
        #expect(shape.needs.isEmpty)
    }

    @Test("OpenAI chat is generateContent, with stream streamGenerateContent; the model is in the body")
    func chat() {
        var plain = shape("/v1beta/openai/chat/completions", .gemini)
        #expect(plain.isOpenAI)
        #expect(plain.needs == [.model, .stream])
        plain.complete(with: BodyFacts(model: "models/gemini-2.5-flash", stream: false))
        #expect(plain.method == .generateContent)
        #expect(plain.model == "gemini-2.5-flash")
        #expect(!plain.streams)
        var stream = shape("/x/openai/chat%2Fcompletions/", .gemini)
        stream.complete(with: BodyFacts(model: "gemini-2.5-flash", stream: true))
        #expect(stream.method == .streamGenerateContent)
        #expect(stream.framing == .serverSentEvents)
    }

    @Test("OpenAI embeddings are batchEmbedContents; other paths have no method")
    func embeddings() {
        var embeddings = shape("/v1beta/openai/embeddings", .gemini)
        #expect(embeddings.method == .batchEmbedContents)
        embeddings.complete(with: BodyFacts(model: "e", items: 0))
        #expect(embeddings.items == 1)
        let models = shape("/v1beta/openai/models", .gemini)
        #expect(models.method == nil)
        #expect(models.needs.isEmpty)
    }

    @Test(
        "Pinecone: the method is the last path segment",
        arguments: [
            ("/query", "query"), ("/pinecone/vectors/upsert", "upsert"),
            ("/describe_index_stats", "describe_index_stats"),
            ("/records/namespaces/n%73/search", "search"), ("/q%75ery", "query"), ("/", nil),
        ] as [(String, String?)]
    )
    func pinecone(path: String, method: String?) {
        let shape = shape(path, .pinecone)
        #expect(shape.method?.name == method)
        #expect(shape.model == nil)
        #expect(shape.needs.isEmpty)
    }

    @Test("Plain HTTP has neither methods nor models")
    func http() {
        let shape = shape("/models/m:generateContent", .http)
        #expect(shape.method == nil)
        #expect(shape.model == nil)
    }
}
