package import NIOCore

/// Plans Gemini's native calls.
package struct GeminiService: Sendable {
    private let settings: Settings

    package init(settings: Settings) {
        self.settings = settings
    }

    package func plan(_ call: GeminiCall, body: ByteBuffer) -> Plan {
        do throws(BodyError) {
            return switch call {
            case .generateContent(let model): try generate(model, body, stream: nil)
            case .streamGenerateContent(let model, let events):
                try generate(model, body, stream: events ? .events : .array)
            case .embedContent(let model): try embed(model, body)
            case .batchEmbedContents(let model): try embedBatch(model, body)
            case .countTokens(let model): try countTokens(model, body)
            case .listModels: .answer(.json(ModelList(models: GeminiModel.listed.map(GeminiModel.init))))
            case .getModel(let model): .answer(describe(model))
            }
        } catch {
            return .answer(GeminiError.unreadable(error).reply(.native))
        }
    }

    private enum Streaming { case events, array }

    private func generate(_ model: String, _ body: ByteBuffer, stream: Streaming?) throws(BodyError) -> Plan {
        guard GeminiModel.exists(model) else { return .answer(GeminiError.unknownModel(model).reply(.native)) }
        let request = try decodedJSON(GenerateContentRequest.self, from: body)
        guard let contents = request.contents, !contents.isEmpty else {
            return refused("* GenerateContentRequest.contents: contents is not specified")
        }
        let completion = Completion(
            prompt: request.prompt,
            question: request.question,
            maximumTokens: request.generationConfig?.maxOutputTokens,
            words: settings.answerWords,
            bytesPerToken: settings.bytesPerToken
        )
        let chunks = settings.chunks
        return work(.generate, model, tokens: completion.promptTokens) {
            switch stream {
            case nil: .json(completion.whole(model), contentType: "application/json; charset=UTF-8")
            case .events: Reply(contentType: "text/event-stream", body: .pieces(events(completion, model, chunks)))
            case .array:
                Reply(contentType: "application/json; charset=UTF-8", body: .pieces(array(completion, model, chunks)))
            }
        }
    }

    private func embed(_ model: String, _ body: ByteBuffer) throws(BodyError) -> Plan {
        guard GeminiModel.exists(model) else { return .answer(GeminiError.unknownModel(model).reply(.native)) }
        let request = try decodedJSON(EmbedContentRequest.self, from: body)
        guard let item = EmbeddingItem(request, settings: settings) else { return refused(EmbeddingItem.rule) }
        return work(.embed, model, tokens: item.tokens) {
            .json(EmbedContentResponse(embedding: item.embedding))
        }
    }

    private func embedBatch(_ model: String, _ body: ByteBuffer) throws(BodyError) -> Plan {
        guard GeminiModel.exists(model) else { return .answer(GeminiError.unknownModel(model).reply(.native)) }
        let requests = try decodedJSON(BatchEmbedContentsRequest.self, from: body).requests
        guard (1...100).contains(requests.count) else {
            return refused("* BatchEmbedContentsRequest.requests: from 1 to 100 requests can be in one batch")
        }
        let items = requests.compactMap { EmbeddingItem($0, settings: settings) }
        guard items.count == requests.count else { return refused(EmbeddingItem.rule) }
        return work(.embed, model, requests: items.count, tokens: items.reduce(0) { $0 + $1.tokens }) {
            .json(BatchEmbedContentsResponse(embeddings: items.map(\.embedding)))
        }
    }

    private func countTokens(_ model: String, _ body: ByteBuffer) throws(BodyError) -> Plan {
        guard GeminiModel.exists(model) else { return .answer(GeminiError.unknownModel(model).reply(.native)) }
        let tokens = tokenCount(
            of: try decodedJSON(CountTokensRequest.self, from: body).prompt,
            bytesPerToken: settings.bytesPerToken
        )
        let response = CountTokensResponse(
            totalTokens: tokens,
            promptTokensDetails: [ModalityTokens(modality: "TEXT", tokenCount: tokens)]
        )
        return .work(.gemini(nil) { .json(response) })
    }

    private func describe(_ model: String) -> Reply {
        GeminiModel.exists(model) ? .json(GeminiModel(id: model)) : GeminiError.unknownModel(model).reply(.native)
    }

    private func refused(_ message: String) -> Plan {
        .answer(GeminiError.badRequest(message).reply(.native))
    }

    private func work(
        _ family: Demand.Gemini,
        _ model: String,
        requests: Int = 1,
        tokens: Int,
        _ answer: @escaping @Sendable () -> Reply
    ) -> Plan {
        let demand = Demand(service: .gemini(family), model: model, requests: requests, tokens: tokens)
        return .work(.gemini(demand, answer: answer))
    }
}

extension Work {
    static func gemini(
        _ demand: Demand?,
        form: GeminiError.Form = .native,
        answer: @escaping @Sendable () -> Reply
    ) -> Work {
        Work(
            demand: demand,
            answer: answer,
            refusal: { violations in
                let demand = demand ?? Demand(service: .gemini(.generate), model: "")
                return GeminiError.quotaExceeded(violations, demand: demand).reply(form)
            },
            failure: { GeminiError.fault(status: $0).reply(form) }
        )
    }
}

/// One text to embed.
private struct EmbeddingItem: Sendable {
    static let rule = "* EmbedContentRequest: content must hold text, output_dimensionality is from 1 to 20000"

    let text: String
    let dimension: Int
    let tokens: Int

    init?(_ request: EmbedContentRequest, settings: Settings) {
        text = request.content.text
        dimension = request.outputDimensionality ?? settings.dimension
        tokens = tokenCount(of: text, bytesPerToken: settings.bytesPerToken)
        guard !text.isEmpty, (1...20_000).contains(dimension) else { return nil }
    }

    var embedding: Embedding { Embedding(values: Embedder(dimension: dimension).embed(text)) }
}

/// Events end in CRLF CRLF and nothing marks the last one: that is how the real service frames them.
private func events(_ completion: Completion, _ model: String, _ chunks: Int) -> [ByteBuffer] {
    completion.chunks(model, count: chunks).map { chunk in
        var buffer = ByteBuffer(string: "data: ")
        buffer.writeBytes(encodedJSON(chunk))
        buffer.writeString("\r\n\r\n")
        return buffer
    }
}

/// Without `alt=sse` the chunks are the elements of one JSON array.
private func array(_ completion: Completion, _ model: String, _ chunks: Int) -> [ByteBuffer] {
    var pieces = completion.chunks(model, count: chunks).enumerated().map { index, chunk in
        var buffer = ByteBuffer(string: index == 0 ? "[" : ",\r\n")
        buffer.writeBytes(encodedJSON(chunk))
        return buffer
    }
    pieces.append(ByteBuffer(string: "\n]\n"))
    return pieces
}
