internal import FoundationEssentials

struct ChatCompletionRequest: Decodable {
    let model: String
    let messages: [Message]
    let stream: Bool?
    let streamOptions: StreamOptions?
    let maxTokens: Int?
    let maxCompletionTokens: Int?

    private enum CodingKeys: String, CodingKey {
        case model, messages, stream
        case streamOptions = "stream_options"
        case maxTokens = "max_tokens"
        case maxCompletionTokens = "max_completion_tokens"
    }

    struct StreamOptions: Decodable {
        let includeUsage: Bool?

        private enum CodingKeys: String, CodingKey { case includeUsage = "include_usage" }
    }

    struct Message: Decodable {
        let role: String
        let content: JSONValue?

        /// A string, or an array of parts of which those of type text count.
        var text: String {
            switch content {
            case .string(let text): text
            case .array(let parts): parts.compactMap(\.textPart).joined(separator: " ")
            default: ""
            }
        }
    }

    var prompt: String { messages.map(\.text).joined(separator: "\n") }
    var question: String { messages.last { $0.role == "user" }?.text ?? "" }
}

struct EmbeddingsRequest: Decodable {
    let model: String
    let input: JSONValue
    let dimensions: Int?
    let encodingFormat: String?

    private enum CodingKeys: String, CodingKey {
        case model, input, dimensions
        case encodingFormat = "encoding_format"
    }

    /// Nil: neither a string nor a non-empty array of strings.
    var texts: [String]? {
        switch input {
        case .string(let text): return [text]
        case .array(let items):
            let texts = items.compactMap { item -> String? in if case .string(let text) = item { text } else { nil } }
            return texts.count == items.count && !texts.isEmpty ? texts : nil
        default: return nil
        }
    }
}

struct ChatCompletion: Encodable {
    let id: String
    let object: String
    let created: Int
    let model: String
    let choices: [Choice]
    let usage: Usage?

    struct Choice: Encodable {
        let index: Int
        var message: Message?
        var delta: Message?
        let finishReason: String?

        private enum CodingKeys: String, CodingKey {
            case index, message, delta
            case finishReason = "finish_reason"
        }

        /// `finish_reason` is null, not absent, until the end.
        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(index, forKey: .index)
            try container.encodeIfPresent(message, forKey: .message)
            try container.encodeIfPresent(delta, forKey: .delta)
            try container.encode(finishReason, forKey: .finishReason)
        }
    }

    struct Message: Encodable {
        let role: String?
        let content: String?
    }

    struct Usage: Encodable {
        let promptTokens: Int
        let completionTokens: Int
        let totalTokens: Int

        init(prompt: Int, completion: Int) {
            promptTokens = prompt
            completionTokens = completion
            totalTokens = prompt + completion
        }

        private enum CodingKeys: String, CodingKey {
            case promptTokens = "prompt_tokens"
            case completionTokens = "completion_tokens"
            case totalTokens = "total_tokens"
        }
    }
}

struct EmbeddingList: Encodable {
    let object = "list"
    let data: [Item]
    let model: String
    let usage: Usage

    struct Item: Encodable {
        let object = "embedding"
        let index: Int
        let embedding: Vector

        private enum CodingKeys: String, CodingKey { case object, index, embedding }
    }

    /// The SDK asks for base64 of little-endian 32-bit floats, other callers get numbers.
    enum Vector: Encodable {
        case numbers([Float]), base64([Float])

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .numbers(let values): try container.encode(values)
            case .base64(let values):
                var bytes = Data(capacity: values.count * 4)
                for value in values {
                    let bits = value.bitPattern
                    bytes.append(contentsOf: (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) })
                }
                try container.encode(bytes.base64EncodedString())
            }
        }
    }

    struct Usage: Encodable {
        let promptTokens: Int
        let totalTokens: Int

        private enum CodingKeys: String, CodingKey {
            case promptTokens = "prompt_tokens"
            case totalTokens = "total_tokens"
        }
    }

    private enum CodingKeys: String, CodingKey { case object, data, model, usage }
}

struct OpenAIModel: Encodable {
    let id: String
    let object = "model"
    let ownedBy = "google"

    private enum CodingKeys: String, CodingKey {
        case id, object
        case ownedBy = "owned_by"
    }
}

struct OpenAIModelList: Encodable {
    let object = "list"
    let data: [OpenAIModel]

    private enum CodingKeys: String, CodingKey { case object, data }
}

extension JSONValue {
    fileprivate var textPart: String? {
        guard case .object(let members) = self, case .string("text") = members["type"],
            case .string(let text) = members["text"]
        else { return nil }
        return text
    }
}
