package import NIOCore

/// Plans the calls of Gemini's OpenAI-compatible paths. They count against the same quotas as the native ones.
package struct OpenAIService: Sendable {
    private let settings: Settings
    /// Seconds since 1970.
    private let now: Int

    package init(settings: Settings, now: Int) {
        self.settings = settings
        self.now = now
    }

    package func plan(_ call: OpenAICall, body: ByteBuffer) -> Plan {
        do throws(BodyError) {
            return switch call {
            case .chatCompletions: try chat(body)
            case .embeddings: try embeddings(body)
            case .listModels:
                .answer(.json(OpenAIModelList(data: GeminiModel.listed.map { OpenAIModel(id: "models/" + $0) })))
            case .getModel(let model): .answer(describe(model))
            }
        } catch {
            return .answer(GeminiError.unreadable(error).reply(.openAI))
        }
    }

    private func chat(_ body: ByteBuffer) throws(BodyError) -> Plan {
        let request = try decodedJSON(ChatCompletionRequest.self, from: body)
        let model = request.model.withoutCollection
        guard GeminiModel.exists(model) else { return .answer(GeminiError.unknownModel(model).reply(.openAI)) }
        guard !request.messages.isEmpty else { return refused("messages must not be empty") }
        let completion = Completion(
            prompt: request.prompt,
            question: request.question,
            maximumTokens: request.maxCompletionTokens ?? request.maxTokens,
            words: settings.answerWords,
            bytesPerToken: settings.bytesPerToken
        )
        let demand = Demand(service: .gemini(.generate), model: model, tokens: completion.promptTokens)
        let streams = request.stream == true
        let tellsUsage = request.streamOptions?.includeUsage == true
        let writer = ChatCompletionWriter(completion: completion, model: request.model, created: now)
        let chunks = settings.chunks
        return .work(
            .gemini(demand, form: .openAI) {
                streams
                    ? Reply(contentType: "text/event-stream", body: .pieces(writer.events(chunks, usage: tellsUsage)))
                    : .json(writer.whole())
            }
        )
    }

    private func embeddings(_ body: ByteBuffer) throws(BodyError) -> Plan {
        let request = try decodedJSON(EmbeddingsRequest.self, from: body)
        let model = request.model.withoutCollection
        guard GeminiModel.exists(model) else { return .answer(GeminiError.unknownModel(model).reply(.openAI)) }
        let dimension = request.dimensions ?? settings.dimension
        guard let texts = request.texts, (1...20_000).contains(dimension) else {
            return refused("input must be a string or an array of strings, dimensions from 1 to 20000")
        }
        let tokens = texts.reduce(0) { $0 + tokenCount(of: $1, bytesPerToken: settings.bytesPerToken) }
        let demand = Demand(service: .gemini(.embed), model: model, requests: texts.count, tokens: tokens)
        let asBase64 = request.encodingFormat == "base64"
        return .work(
            .gemini(demand, form: .openAI) {
                let embedder = Embedder(dimension: dimension)
                let items = texts.enumerated().map { index, text in
                    let values = embedder.embed(text)
                    return EmbeddingList.Item(index: index, embedding: asBase64 ? .base64(values) : .numbers(values))
                }
                return .json(
                    EmbeddingList(
                        data: items,
                        model: request.model,
                        usage: .init(promptTokens: tokens, totalTokens: tokens)
                    )
                )
            }
        )
    }

    private func describe(_ model: String) -> Reply {
        GeminiModel.exists(model)
            ? .json(OpenAIModel(id: "models/" + model)) : GeminiError.unknownModel(model).reply(.openAI)
    }

    private func refused(_ message: String) -> Plan {
        .answer(GeminiError.badRequest(message).reply(.openAI))
    }
}

/// Writes a completion in OpenAI's shapes.
private struct ChatCompletionWriter: Sendable {
    let completion: Completion
    let model: String
    let created: Int

    func whole() -> ChatCompletion {
        let choice = ChatCompletion.Choice(
            index: 0,
            message: ChatCompletion.Message(role: "assistant", content: completion.text),
            finishReason: finishReason
        )
        return message("chat.completion", choices: [choice], usage: usage)
    }

    /// The chunks as server-sent events, and the `[DONE]` that ends them.
    func events(_ count: Int, usage tellsUsage: Bool) -> [ByteBuffer] {
        let pieces = AnswerWriter.pieces(of: completion.text, count: count)
        var chunks = pieces.enumerated().map { index, piece in
            let choice = ChatCompletion.Choice(
                index: 0,
                delta: ChatCompletion.Message(role: index == 0 ? "assistant" : nil, content: piece),
                finishReason: index == pieces.count - 1 ? finishReason : nil
            )
            return message("chat.completion.chunk", choices: [choice], usage: nil)
        }
        if tellsUsage { chunks.append(message("chat.completion.chunk", choices: [], usage: usage)) }
        var events = chunks.map { chunk in
            var buffer = ByteBuffer(string: "data: ")
            buffer.writeBytes(encodedJSON(chunk))
            buffer.writeString("\n\n")
            return buffer
        }
        events.append(ByteBuffer(string: "data: [DONE]\n\n"))
        return events
    }

    private var finishReason: String { completion.isCutShort ? "length" : "stop" }

    private var usage: ChatCompletion.Usage {
        ChatCompletion.Usage(prompt: completion.promptTokens, completion: completion.textTokens)
    }

    private func message(
        _ object: String,
        choices: [ChatCompletion.Choice],
        usage: ChatCompletion.Usage?
    ) -> ChatCompletion {
        ChatCompletion(
            id: completion.id,
            object: object,
            created: created,
            model: model,
            choices: choices,
            usage: usage
        )
    }
}

extension String {
    /// `models/gemini-2.5-flash` and `gemini-2.5-flash` are the same model.
    fileprivate var withoutCollection: String {
        hasPrefix("models/") ? String(dropFirst("models/".count)) : self
    }
}
