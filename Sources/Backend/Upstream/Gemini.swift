internal import NIOCore

/// Gemini's calls that the backend makes.
struct Gemini: Sendable {
    let client: GatewayClient
    let chatModel: String
    let embedModel: String

    /// What a text is embedded for: questions and passages lie differently.
    enum Purpose: String, Encodable, Sendable { case question = "RETRIEVAL_QUERY", passage = "RETRIEVAL_DOCUMENT" }

    /// What came of one generation.
    struct Generation: Sendable {
        var text = ""
        var usage = Usage(inputTokens: 0, outputTokens: 0)
        fileprivate(set) var isFinished = false
    }

    private static let maxAnswerBytes = 1 << 20

    func embed(_ text: String, for purpose: Purpose, title: String? = nil, as caller: CallerContext)
        async throws(GatewayError) -> [Float]
    {
        let request = EmbedRequest(
            model: "models/\(embedModel)",
            content: Content(parts: [Content.Part(text: text)]),
            taskType: purpose,
            title: title
        )
        let call = call(embedModel, "embedContent", body: request, as: caller, isRepeatable: true)
        let answer: EmbedResponse = try decode(await client.answer(call))
        guard !answer.embedding.values.isEmpty else { throw .brokenAnswer("an embedding without values") }
        return answer.embedding.values
    }

    /// - Parameter onText: called with each piece as it arrives; nil: the answer is asked for as a whole.
    func generate(
        _ prompt: Prompt,
        as caller: CallerContext,
        onText: (@Sendable (String) -> Void)?
    ) async throws(GatewayError) -> Generation {
        var generation = Generation()
        if let onText {
            let call = call(
                chatModel,
                "streamGenerateContent?alt=sse",
                body: prompt.request,
                as: caller,
                isRepeatable: false
            )
            try await stream(call, into: &generation, onText: onText)
        } else {
            let call = call(chatModel, "generateContent", body: prompt.request, as: caller, isRepeatable: false)
            _ = try generation.take(try decode(await client.answer(call)))
        }
        guard generation.isFinished else { throw .brokenAnswer("it ended without a reason to end") }
        guard !generation.text.isEmpty else { throw .brokenAnswer("it holds no text") }
        return generation
    }

    private func stream(
        _ call: GatewayCall,
        into generation: inout Generation,
        onText: @Sendable (String) -> Void
    ) async throws(GatewayError) {
        var parser = EventStreamParser()
        for try await bytes in client.stream(call).bodies() {
            for event in parser.feed(bytes) {
                let text = try generation.take(try decode(event))
                if !text.isEmpty { onText(text) }
            }
            guard !parser.hasOverflown, generation.text.utf8.count <= Self.maxAnswerBytes else {
                throw .brokenAnswer("larger than \(Self.maxAnswerBytes) bytes")
            }
        }
        if let event = parser.finish() {
            let text = try generation.take(try decode(event))
            if !text.isEmpty { onText(text) }
        }
        if !generation.isFinished, !parser.stray.isEmpty {
            // The error that followed a sign of life.
            _ = try generation.take(try decode(ByteBuffer(bytes: parser.stray)))
        }
    }

    private func call(
        _ model: String,
        _ method: String,
        body: some Encodable,
        as caller: CallerContext,
        isRepeatable: Bool
    ) -> GatewayCall {
        GatewayCall(
            path: "/v1beta/models/\(model):\(method)",
            keyField: .gemini,
            body: JSON.encode(body, snakeCase: false),
            caller: caller,
            isRepeatable: isRepeatable
        )
    }
}

func decode<Value: Decodable>(_ body: ByteBuffer) throws(GatewayError) -> Value {
    do {
        return try JSON.decode(Value.self, from: body)
    } catch {
        throw .brokenAnswer("it is not the JSON that was expected")
    }
}

extension Gemini.Generation {
    /// - Returns: the new text.
    /// - Throws: `.blocked`; `.refused` for an error within a stream.
    fileprivate mutating func take(_ response: GenerateResponse) throws(GatewayError) -> String {
        if let error = response.error {
            throw .refused(status: error.code ?? 502, retryAfter: error.retryAfter, message: error.message)
        }
        if let metadata = response.usageMetadata {
            usage = Usage(
                inputTokens: metadata.promptTokenCount ?? usage.inputTokens,
                outputTokens: (metadata.candidatesTokenCount ?? 0) + (metadata.thoughtsTokenCount ?? 0)
            )
        }
        if let reason = response.promptFeedback?.blockReason { throw .blocked(reason) }
        guard let candidate = response.candidates?.first else { return "" }
        let new = (candidate.content?.parts ?? []).filter { $0.thought != true }.compactMap(\.text).joined()
        text += new
        if let reason = candidate.finishReason {
            guard !new.isEmpty || !text.isEmpty || reason == "STOP" || reason == "MAX_TOKENS" else {
                throw .blocked(reason)
            }
            isFinished = true
        }
        return new
    }
}
