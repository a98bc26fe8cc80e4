package import NIOCore

/// Measures the prompt in a request's JSON body: Gemini's native form and OpenAI's, over chunk borders, without a tree.
///
/// Bounded memory whatever the body holds.
package struct PromptScanner {
    /// What strings in a container are.
    private enum Content {
        /// No part of the prompt.
        case none
        /// Text, but for a few members.
        case text
        /// All of it, keys too: declarations and arguments of functions.
        case whole
        /// `generationConfig`.
        case settings
        /// Bytes in base64, and their media type.
        case inline
        /// A file that is named.
        case file
        /// `image_url`.
        case link
    }

    private struct Frame {
        var content: Content
        var isObject: Bool
    }

    private enum Key {
        case other, content, whole, settings, inline, file, link
        /// A string member that is no text.
        case label
        case mediaType, data, dataURL
        case maximumOutput, candidates, cachedContent
    }

    private static let depthLimit = 256

    private var found = PromptSize()
    private var lexer = JSONLexer()
    private var frames: [Frame] = []
    private var key = Key.other
    private var expectsKey = false
    private var isBroken = false
    /// Of the inline data or file that is being read.
    private var mediaType = ""
    private var mediaLength = 0
    private var mediaStart: [UInt8] = []
    /// Its bytes stood in a `data:` URL.
    private var isCounted = false
    private var fed = 0
    /// Bytes behind the place where the text ceased to be JSON, or is nested too deep.
    private var unread = 0

    package init() {}

    package mutating func feed(_ chunk: ByteBuffer) {
        fed += chunk.readableBytes
        let bytes = chunk.readableBytesUInt8Span
        var index = 0
        while !isBroken {
            lexer.captures = expectsKey || capturesValue
            guard let token = lexer.next(in: bytes, from: &index) else { return }
            take(token)
        }
        unread += bytes.count - index
    }

    /// - Parameter length: of the whole body. What has not been seen is taken for more of what came last.
    package func size(ofBody length: Int) -> PromptSize {
        var size = found
        let rest = max(0, length - fed) + unread
        guard rest > 0 || lexer.isInString else { return size }
        let content = frames.last?.content ?? .none
        if lexer.isInString, !expectsKey, content == .inline || key == .data || key == .dataURL {
            let start = lexer.decodedStart
            let type = key == .dataURL ? Self.mediaType(ofURL: start.text) : mediaType
            Self.add(type: type, start: start.bytes, encoded: lexer.length + rest, to: &size)
        } else {
            size.textBytes += rest + (lexer.isInString ? lexer.length : 0)
        }
        return size
    }

    private var capturesValue: Bool {
        switch key {
        case .mediaType, .data, .dataURL, .link, .maximumOutput, .candidates: true
        default: false
        }
    }

    private mutating func take(_ token: JSONLexer.Token) {
        switch token {
        case .beginObject, .beginArray: open(isObject: token == .beginObject)
        case .endObject, .endArray: close()
        case .colon: expectsKey = false
        case .comma:
            key = .other
            expectsKey = frames.last?.isObject == true
        case .string: string()
        case .scalar: scalar()
        case .invalid: isBroken = true
        }
    }

    // MARK: Containers

    private mutating func open(isObject: Bool) {
        let outer = frames.last?.content ?? .none
        let content: Content
        switch key {
        case .content: content = .text
        case .whole: content = .whole
        case .settings: content = .settings
        case .inline: content = .inline
        case .file: content = .file
        case .link: content = .link
        case .label, .mediaType, .data, .dataURL, .maximumOutput, .candidates, .cachedContent: content = .none
        case .other: content = frames.isEmpty ? .none : outer
        }
        guard frames.count < Self.depthLimit else {
            isBroken = true
            return
        }
        if content == .inline || content == .file || content == .link, content != outer {
            mediaType = ""
            mediaLength = 0
            mediaStart = []
            isCounted = false
        }
        frames.append(Frame(content: content, isObject: isObject))
        expectsKey = isObject
        key = .other
    }

    private mutating func close() {
        guard let frame = frames.popLast() else {
            isBroken = true
            return
        }
        if frame.content != frames.last?.content {
            switch frame.content {
            case .inline: Self.add(type: mediaType, start: mediaStart, encoded: mediaLength, to: &found)
            case .file where !isCounted:
                if mediaType.hasPrefix("image/") { found.images += 1 } else { found.files += 1 }
            default: break
            }
        }
        expectsKey = false
        key = .other
    }

    // MARK: Members

    private mutating func string() {
        if expectsKey {
            expectsKey = false
            key = memberKey()
            if frames.last?.content == .whole { found.textBytes += lexer.length }
            return
        }
        defer { key = .other }
        switch (frames.last?.content ?? .none, key) {
        case (_, .dataURL), (_, .link): takeURL()
        case (.inline, .data):
            mediaLength += lexer.length
            mediaStart = lexer.decodedStart.bytes
        case (.inline, .mediaType), (.file, .mediaType): mediaType = lexer.decodedStart.text
        case (_, .cachedContent): found.files += 1
        case (_, .label), (.none, .other), (.settings, _), (.inline, _), (.file, _), (.link, _): break
        default: found.textBytes += lexer.length
        }
    }

    private mutating func scalar() {
        defer { key = .other }
        switch key {
        case .maximumOutput:
            guard let count = Int(lexer.decodedText), count > 0 else { return }
            found.maximumOutput = max(found.maximumOutput ?? 0, min(count, 1 << 30))
        case .candidates:
            if let count = Int(lexer.decodedText), count > 0 { found.candidates = min(count, 128) }
        default:
            // OpenAI takes texts as numbers of tokens too: each as much as four bytes.
            if let frame = frames.last, frame.content == .text, !frame.isObject { found.textBytes += 4 }
        }
    }

    /// A picture or document in a `data:` URL, or one that the model is to fetch.
    private mutating func takeURL() {
        isCounted = true
        let start = lexer.decodedStart
        if start.text.hasPrefix("data:") {
            Self.add(type: Self.mediaType(ofURL: start.text), start: [], encoded: lexer.length, to: &found)
        } else {
            found.images += 1
        }
    }

    private func memberKey() -> Key {
        let content = frames.last?.content ?? .none
        if content == .whole { return .other }
        let isTop = frames.count == 1
        switch lexer.decodedText {
        case "contents", "content", "systemInstruction", "system_instruction", "requests", "messages", "input",
            "instances", "prompt":
            return isTop || content == .text ? .content : .other
        case "generateContentRequest", "generate_content_request": return isTop ? .content : .other
        case "tools", "functions", "response_format", "responseSchema", "responseJsonSchema", "response_schema",
            "response_json_schema":
            return isTop || content == .settings ? .whole : .other
        case "functionCall", "functionResponse", "function_call", "function_response", "tool_calls":
            return content == .text ? .whole : .other
        case "generationConfig", "generation_config": return .settings
        case "inlineData", "inline_data", "input_audio": return content == .text ? .inline : .other
        case "fileData", "file_data":
            // Gemini's object; in OpenAI's form a string.
            return content == .text ? .file : content == .file ? .dataURL : .other
        case "file": return content == .text ? .file : .other
        case "image_url": return content == .text ? .link : .other
        case "url": return content == .link ? .dataURL : .other
        case "mimeType", "mime_type": return .mediaType
        case "data": return content == .inline ? .data : .other
        case "maxOutputTokens", "max_output_tokens": return content == .settings ? .maximumOutput : .other
        case "max_tokens", "max_completion_tokens": return isTop ? .maximumOutput : .other
        case "candidateCount", "candidate_count": return content == .settings ? .candidates : .other
        case "n": return isTop ? .candidates : .other
        case "cachedContent", "cached_content": return isTop ? .cachedContent : .other
        case "role", "type", "model", "taskType", "task_type", "thoughtSignature", "thought_signature", "id",
            "tool_call_id", "detail", "format":
            return .label
        default: return .other
        }
    }

    // MARK: Media

    /// - Parameter encoded: bytes of base64, four for three.
    private static func add(type: String, start: [UInt8], encoded: Int, to size: inout PromptSize) {
        let decoded = max(0, encoded) / 4 * 3
        if type.hasPrefix("image/") || type.isEmpty && isPicture(start) {
            size.images += 1
        } else if type.hasPrefix("text/") {
            size.textBytes += decoded
        } else if decoded > 0 {
            size.mediaBytes += decoded
        }
    }

    /// What PNG, JPEG, GIF and WebP begin with, in base64.
    private static func isPicture(_ start: [UInt8]) -> Bool {
        ["iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR"].contains { start.starts(with: $0.utf8) }
    }

    private static func mediaType(ofURL url: String) -> String {
        String(url.dropFirst("data:".count).prefix { $0 != ";" && $0 != "," })
    }
}

extension JSONLexer {
    /// The first bytes of the last string or of the one under way, which may be cut.
    fileprivate var decodedStart: (bytes: [UInt8], text: String) {
        let bytes = Array(text.prefix(64))
        // A slash may come escaped.
        return (bytes.filter { $0 != .backslash }, String(decoding: bytes.filter { $0 != .backslash }, as: UTF8.self))
    }
}
