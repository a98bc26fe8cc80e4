internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import HummingbirdTesting
internal import NIOCore
internal import Simulator
internal import Testing

@Suite(.timeLimit(.minutes(1))) struct ServerTests {
    private let model = "/v1beta/models/gemini-2.5-flash"
    private let question = #"{"contents":[{"role":"user","parts":[{"text":"Why do canals have locks?"}]}]}"#

    private func serve(
        _ settings: [String: JSONValue] = [:],
        _ test: @Sendable (any TestClientProtocol) async throws -> Void
    ) async throws {
        var options = SimulatorOptions()
        try options.settings.apply(settings)
        try await simulatorApplication(Simulation(options: options)).test(.live, test)
    }

    @Test("A generated answer repeats the question and counts tokens")
    func generate() async throws {
        try await serve { client in
            let answer = try await client.json(.post, "\(model):generateContent", question)
            #expect(answer.status == 200)
            let text = answer["candidates", 0, "content", "parts", 0, "text"] as? String
            #expect(text?.contains("Why do canals have locks?") == true)
            #expect(answer["candidates", 0, "finishReason"] as? String == "STOP")
            let usage = answer["usageMetadata"] as? [String: Any]
            let parts = ["promptTokenCount", "candidatesTokenCount"].compactMap { usage?[$0] as? Int }
            #expect(parts.reduce(0, +) == usage?["totalTokenCount"] as? Int)
            #expect(parts.first == 6)
        }
    }

    @Test("A stream is events framed by CRLF, the last of which finishes, and nothing marks the end")
    func stream() async throws {
        try await serve(["chunks": .number(5)]) { client in
            let answer = try await client.execute(
                uri: "\(model):streamGenerateContent?alt=sse",
                method: .post,
                body: ByteBuffer(string: question)
            )
            #expect(answer.headers[.contentType] == "text/event-stream")
            let events = String(buffer: answer.body).components(separatedBy: "\r\n\r\n")
            #expect(events.count == 6 && events.last == "")
            let finished = events.map { $0.contains(#""finishReason":"STOP""#) }
            #expect(finished == [false, false, false, false, true, false])
            #expect(events.dropLast().allSatisfy { $0.hasPrefix("data: {") })
        }
    }

    @Test("Without alt=sse a stream is one JSON array")
    func arrayStream() async throws {
        try await serve { client in
            let answer = try await client.execute(
                uri: "\(model):streamGenerateContent",
                method: .post,
                body: ByteBuffer(string: question)
            )
            let chunks = try JSONSerialization.jsonObject(with: Data(answer.body.readableBytesView)) as? [Any]
            #expect(chunks?.count == 8)
        }
    }

    @Test("The OpenAI-compatible stream ends in [DONE] and its errors are arrays of one")
    func openAI() async throws {
        let chat = #"{"model":"gemini-2.5-flash","stream":true,"messages":[{"role":"user","content":"hi"}]}"#
        try await serve(["requests-per-minute": .number(1)]) { client in
            func send() async throws -> TestResponse {
                try await client.execute(
                    uri: "/v1beta/openai/chat/completions",
                    method: .post,
                    body: ByteBuffer(string: chat)
                )
            }
            let stream = String(buffer: try await send().body)
            #expect(stream.hasSuffix("data: [DONE]\n\n"))
            #expect(stream.contains(#""object":"chat.completion.chunk""#))
            let refused = try await send()
            #expect(refused.status == .tooManyRequests)
            #expect(String(buffer: refused.body).hasPrefix(#"[{"error":{"code":429"#))
        }
    }

    @Test("A spent quota is refused in the real form, and other models are not")
    func quota() async throws {
        try await serve(["requests-per-minute": .number(2), "window": .string("1h")]) { client in
            var statuses: [Int] = []
            for _ in 0..<3 {
                statuses.append(try await client.json(.post, "\(model):generateContent", question).status)
            }
            #expect(statuses == [200, 200, 429])
            let refused = try await client.json(.post, "\(model):generateContent", question)
            #expect(refused["error", "status"] as? String == "RESOURCE_EXHAUSTED")
            let violation = ["error", "details", 0, "violations", 0] as [any Sendable]
            #expect(
                refused.at(violation + ["quotaId"]) as? String
                    == "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
            )
            #expect(refused.at(violation + ["quotaValue"]) as? String == "2")
            let delay = refused["error", "details", 2, "retryDelay"] as? String
            #expect(delay?.hasPrefix("3599.") == true || delay == "3600s")
            #expect(refused.headers[.retryAfter] == nil)
            let other = try await client.json(.post, "/v1/models/gemini-2.5-pro:generateContent", question)
            #expect(other.status == 200)
        }
    }

    @Test("A batch is embedded in order and charged by its items")
    func batch() async throws {
        let items = ["one", "two", "one"].map { #"{"model":"models/e","content":{"parts":[{"text":"\#($0)"}]}}"# }
        let body = #"{"requests":[\#(items.joined(separator: ","))]}"#
        let path = "/v1/models/gemini-embedding-001:batchEmbedContents"
        try await serve(["requests-per-minute": .number(5), "dimension": .number(16)]) { client in
            let answer = try await client.json(.post, path, body)
            let vectors = (answer["embeddings"] as? [[String: [Double]]])?.compactMap { $0["values"] } ?? []
            #expect(vectors.map(\.count) == [16, 16, 16])
            #expect(vectors.first == vectors.last)
            let refused = try await client.json(.post, path, body)
            #expect(refused.status == 429)
        }
    }

    @Test("Only the key that was set is let in, each service refusing in its form")
    func key() async throws {
        try await serve(["key": .string("right")]) { client in
            let path = "\(model):generateContent"
            let wrong = try await client.json(.post, path + "?key=wrong", question)
            #expect(wrong.status == 400)
            #expect(wrong["error", "details", 0, "reason"] as? String == "API_KEY_INVALID")
            let missing = try await client.json(.post, path, question)
            let right = try await client.json(.post, path + "?key=right", question)
            #expect(missing.status == 403)
            #expect(right.status == 200)
            let query = try await client.execute(uri: "/query", method: .post, body: ByteBuffer(string: "{}"))
            #expect(query.status == .unauthorized)
            #expect(String(buffer: query.body) == #""Unauthorized""#)
        }
    }

    @Test(
        "Bad requests are refused with a sentence",
        arguments: [
            ("/v1/models/gemini-2.5-flash:generateContent", "{", 400),
            ("/v1/models/gemini-2.5-flash:generateContent", #"{"contents":[]}"#, 400),
            ("/v1/models/gpt-9:generateContent", #"{"contents":[{"parts":[{"text":"x"}]}]}"#, 404),
            ("/v1/models/gemini-2.5-flash:fly", "{}", 404),
            ("/query", #"{"vector":[1],"topK":0}"#, 400),
            ("/vectors/upsert", #"{"vectors":[{"id":"","values":[1]}]}"#, 400),
            ("/query", #"{"vector":[1],"topK":1,"filter":{"a":{"$near":1}}}"#, 400),
        ]
    )
    func badRequests(path: String, body: String, status: Int) async throws {
        try await serve { client in
            let answer = try await client.json(.post, path, body)
            #expect(answer.status == status)
        }
    }

    @Test("Vectors that were upserted are found, nearest first, and their quota says when to come back")
    func pinecone() async throws {
        try await serve(["pinecone-queries-per-minute": .number(1)]) { client in
            let vectors = #"{"vectors":[{"id":"a","values":[1,0],"metadata":{"t":"x"}},{"id":"b","values":[0,1]}]}"#
            let upserted = try await client.json(.post, "/vectors/upsert", vectors)
            #expect(upserted["upsertedCount"] as? Int == 2)
            let query = #"{"vector":[1,0.1],"topK":2,"includeMetadata":true}"#
            let found = try await client.json(.post, "/query", query)
            #expect(found["matches", 0, "id"] as? String == "a")
            #expect(found["matches", 0, "metadata", "t"] as? String == "x")
            #expect(found["matches", 1, "id"] as? String == "b")
            let refused = try await client.json(.post, "/query", query)
            #expect(refused.status == 429)
            #expect(refused["code"] as? Int == 8)
            #expect(refused.headers[.retryAfter].flatMap { Int($0) } ?? 0 > 50)
            let fetched = try await client.json(.get, "/vectors/fetch?ids=a&ids=z", nil)
            #expect((fetched["vectors"] as? [String: Any])?.keys.sorted() == ["a"])
        }
    }

    @Test("Faults answer with the asked status or break the connection off")
    func faults() async throws {
        try await serve(["fail-rate": .number(1), "fail-status": .number(500)]) { client in
            let failed = try await client.json(.post, "\(model):generateContent", question)
            #expect(failed["error", "status"] as? String == "INTERNAL")
            _ = try await client.json(.post, "/simulator/config", #"{"fail-rate":0,"reset-rate":1}"#)
            await #expect(throws: (any Error).self) {
                _ = try await client.json(.post, "\(model):generateContent", question)
            }
        }
        try await serve(["cut-stream-rate": .number(1)]) { client in
            await #expect(throws: (any Error).self) {
                _ = try await client.json(.post, "\(model):streamGenerateContent?alt=sse", question)
            }
        }
    }

    @Test("The log tells each arrival with its status and who called")
    func log() async throws {
        try await serve(["requests-per-minute": .number(1), "log-headers": .bool(true)]) { client in
            let fields: HTTPFields = [HTTPField.Name("x-goog-api-key")!: "secret", HTTPField.Name("x-user-id")!: "ann"]
            for _ in 0..<2 {
                _ = try await client.execute(
                    uri: "\(model):generateContent?key=hidden",
                    method: .post,
                    headers: fields,
                    body: ByteBuffer(string: question)
                )
            }
            let log = try await client.json(.get, "/simulator/log", nil)
            #expect(log["arrivals", 0, "status"] as? Int == 200)
            #expect(log["arrivals", 1, "status"] as? Int == 429)
            #expect(log["arrivals", 1, "user"] as? String == "ann")
            #expect(log["arrivals", 0, "model"] as? String == "gemini-2.5-flash")
            #expect(log["arrivals", 0, "outcome"] as? String == "complete")
            #expect(log["arrivals", 0, "bytes"] as? Int == question.utf8.count)
            #expect(!log.text.contains("secret") && !log.text.contains("hidden"))
            let first = log["arrivals", 0, "at"] as? Int ?? 0
            let later = try await client.json(.get, "/simulator/log?since=\(first)", nil)
            #expect((later["arrivals"] as? [Any])?.count == 1)
            let stats = try await client.json(.get, "/simulator/stats", nil)
            #expect(
                stats.text.contains(#""largest":2,"limit":1,"model":"gemini-2.5-flash","quota":"requests-per-minute""#)
            )
            _ = try await client.execute(uri: "/simulator/log", method: .delete)
            let cleared = try await client.json(.get, "/simulator/log", nil)
            #expect((cleared["arrivals"] as? [Any])?.isEmpty == true)
        }
    }

    @Test("A setting that does not exist is refused by name")
    func config() async throws {
        try await serve { client in
            let refused = try await client.json(.post, "/simulator/config", #"{"latencies":"1s"}"#)
            #expect(refused.status == 400)
            #expect((refused["detail"] as? String)?.contains("latencies") == true)
        }
    }
}

/// An answer with its body read as JSON.
private struct JSONAnswer {
    let status: Int
    let headers: HTTPFields
    let text: String
    private let root: Any?

    init(_ response: TestResponse) {
        status = response.status.code
        headers = response.headers
        text = String(buffer: response.body)
        root = try? JSONSerialization.jsonObject(with: Data(text.utf8))  // no JSON: every look-up is nil
    }

    subscript(_ path: any Sendable...) -> Any? { at(path) }

    func at(_ path: [any Sendable]) -> Any? {
        path.reduce(root) { value, step in
            if let name = step as? String { return (value as? [String: Any])?[name] }
            guard let index = step as? Int, let array = value as? [Any], array.indices.contains(index) else {
                return nil
            }
            return array[index]
        }
    }
}

extension TestClientProtocol {
    @discardableResult
    fileprivate func json(_ method: HTTPRequest.Method, _ path: String, _ body: String?) async throws -> JSONAnswer {
        JSONAnswer(try await execute(uri: path, method: method, body: body.map { ByteBuffer(string: $0) }))
    }
}
