import Foundation
import HTTPTypes
import HummingbirdTesting
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct ChatTests {
    @Test("A turn embeds, searches, asks with what it found, and stores question and answer")
    func turn() async throws {
        try await TestBackend.run { backend in
            let answer = try await backend.send(.post, "/chat", #"{"message": "What is the answer?"}"#)
            #expect(answer.status == 200)
            #expect(try answer.json("message", "role") == "assistant")
            #expect(try answer.json("message", "content") == StubGateway.answer)
            #expect(try answer.json("sources", "0", "id") == "doc#0")
            #expect(try answer.json("sources", "0", "title") == "Guide")
            #expect(try answer.json("sources", "1", "title") == nil)
            #expect(answer.text.contains(#""title":null"#))
            #expect(try answer.json("usage", "input_tokens") == "11")
            #expect(try answer.json("usage", "output_tokens") == "7")
            let id = try #require(try answer.json("conversation_id"))
            #expect(id == id.lowercased())
            let messages = try await backend.send(.get, "/conversations/\(id)/messages")
            #expect(try messages.count("messages") == 2)
            #expect(try messages.json("messages", "0", "content") == "What is the answer?")
            #expect(try messages.json("messages", "1", "content") == StubGateway.answer)
            #expect(try messages.json("messages", "1", "id") == answer.json("message", "id"))
            #expect(try messages.json("next_cursor") == nil)
            let conversation = try await backend.send(.get, "/conversations/\(id)")
            #expect(try conversation.json("title") == "What is the answer?")
        }
    }

    @Test("All upstream calls go through the gateway with the backend's key and name the user")
    func upstreamCalls() async throws {
        try await TestBackend.run { backend in
            try await backend.send(
                .post,
                "/chat",
                #"{"message": "Why?"}"#,
                fields: [HTTPField.Name("priority")!: "u=1", HTTPField.Name("x-server-timeout")!: "25"]
            )
            let calls = backend.stub.calls()
            #expect(
                calls.map(\.path) == [
                    "/v1beta/models/gemini-embedding-001:embedContent", "/pinecone/query",
                    "/v1beta/models/gemini-2.5-flash:generateContent",
                ]
            )
            for call in calls {
                #expect(call.fields[HTTPField.Name("x-user-id")!] == "ann")
                #expect(call.fields[HTTPField.Name("priority")!] == "u=1")
                let timeout = Int(call.fields[HTTPField.Name("x-server-timeout")!] ?? "") ?? 0
                #expect((1...25).contains(timeout))
                let key = call.path.hasPrefix("/pinecone") ? "api-key" : "x-goog-api-key"
                #expect(call.fields[HTTPField.Name(key)!] == "backend-key")
            }
            #expect(calls[1].body.contains(#""vector":[0.5,0.25,-1]"#))
            #expect(calls[2].body.contains("Life: 42."))
        }
    }

    @Test("A later turn is asked with what was said before")
    func history() async throws {
        try await TestBackend.run { backend in
            let first = try await backend.send(.post, "/chat", #"{"message": "First question"}"#)
            let id = try #require(try first.json("conversation_id"))
            let second = try await backend.send(
                .post,
                "/chat",
                #"{"message": "And then?", "conversation_id": "\#(id)"}"#
            )
            #expect(try second.json("conversation_id") == id)
            let prompt = try #require(backend.stub.calls(":generateContent").last?.body)
            let first1 = try #require(prompt.range(of: "First question"))
            let answer = try #require(prompt.range(of: StubGateway.answer))
            let then = try #require(prompt.range(of: "And then?"))
            #expect(first1.lowerBound < answer.lowerBound)
            #expect(answer.lowerBound < then.lowerBound)
            #expect(try await backend.send(.get, "/conversations/\(id)/messages").count("messages") == 4)
        }
    }

    @Test(
        "A streamed turn gives start, the pieces, then done with what the plain answer would be",
        arguments: [true, false]
    )
    func stream(byAccept: Bool) async throws {
        try await TestBackend.run { backend in
            let body = byAccept ? #"{"message": "Hm?"}"# : #"{"message": "Hm?", "stream": true}"#
            let answer = try await backend.send(
                .post,
                "/chat",
                body,
                fields: byAccept ? [.accept: "text/event-stream"] : [:]
            )
            #expect(answer.status == 200)
            #expect(answer.fields[.contentType] == "text/event-stream")
            let events = serverSentEvents(answer.text)
            #expect(events.map(\.name) == ["start", "delta", "delta", "delta", "done"])
            let done = TestBackend.Answer(status: 200, fields: [:], text: events.last?.data ?? "")
            #expect(try done.json("message", "content") == StubGateway.answer)
            let id = try #require(try done.json("conversation_id"))
            #expect(events[0].data == #"{"conversation_id":"\#(id)"}"#)
            #expect(try await backend.messageCount() == "2")
        }
    }

    @Test("done is sent after the commit, not before")
    func doneAfterCommit() async throws {
        try await TestBackend.run(live: true) { backend in
            var caller: ServerProcess?
            try await backend.whileLocked("message") {
                caller = try streamingCaller(backend)
                try await backend.untilBlocked()
                try await caller?.waitUntilLogged("event: delta")
                #expect(caller?.log.contains("event: done") == false)
            }
            try await caller?.waitUntilLogged("event: done")
            #expect(try await backend.messageCount() == "2")
        }
    }

    /// A process that asks for a streamed turn and writes what comes of it into its log.
    private func streamingCaller(_ backend: TestBackend) throws -> ServerProcess {
        let port = try #require(backend.client.port)
        let fields = TestBackend.signed(method: "POST", path: "/chat", user: "ann")
        return try ServerProcess(
            ["curl", "-sN", "http://127.0.0.1:\(port)/chat", "-d", #"{"message": "Hm?", "stream": true}"#]
                + ["-H", "content-type: application/json"]
                + fields.flatMap { ["-H", "\($0.name): \($0.value)"] }
        )
    }

    @Test("A caller that leaves: the turn is finished and stored")
    func callerLeaves() async throws {
        try await TestBackend.run(live: true) { backend in
            backend.stub.hold()
            let caller = try streamingCaller(backend)
            try await caller.waitUntilLogged("event: delta")
            try await eventually("the model is held") { backend.stub.heldCount == 1 }
            #expect(try await backend.messageCount() == "0")
            try await caller.kill()
            backend.stub.release()
            try await eventually("the turn is stored") { try await backend.messageCount() == "2" }
        }
    }

    @Test(
        "A failed turn leaves nothing, and says what is the matter",
        arguments: [
            (
                ":embedContent",
                StubGateway.Behaviour.refuse(status: 429, retryAfter: 7, body: #"{"error":{"message":"slow"}}"#), 503,
                "7"
            ),
            (
                "/query", .refuse(status: 503, retryAfter: 3, body: #"{"error":{"message":"full"},"status":503}"#), 503,
                "3"
            ),
            ("enerateContent", .refuse(status: 504, retryAfter: nil, body: "late"), 504, nil),
            ("enerateContent", .refuse(status: 401, retryAfter: nil, body: ""), 502, nil),
        ] as [(String, StubGateway.Behaviour, Int, String?)]
    )
    func failure(path: String, behaviour: StubGateway.Behaviour, status: Int, retryAfter: String?) async throws {
        try await TestBackend.run { backend in
            backend.stub.set(path, behaviour)
            let plain = try await backend.send(.post, "/chat", #"{"message": "Hm?"}"#)
            #expect(plain.status == status)
            #expect(plain.fields[.contentType] == "application/problem+json")
            #expect(plain.fields[.retryAfter] == retryAfter)
            #expect(try plain.json("status") == String(status))
            let streamed = try await backend.send(.post, "/chat", #"{"message": "Hm?", "stream": true}"#)
            let last = try #require(serverSentEvents(streamed.text).last)
            #expect(last.name == "error")
            let problem = TestBackend.Answer(status: 200, fields: [:], text: last.data)
            #expect(try problem.json("status") == String(status))
            #expect(try problem.json("retry_after") == retryAfter)
            #expect(try await backend.messageCount() == "0")
            #expect(try await backend.database.sql("SELECT count(*) FROM conversation") == "0")
        }
    }

    @Test("A stream that ends in mid-answer, or in an error, is a failure")
    func brokenStream() async throws {
        try await TestBackend.run { backend in
            backend.stub.set(":streamGenerateContent", .stopEarly)
            let early = try await backend.send(.post, "/chat", #"{"message": "Hm?", "stream": true}"#)
            let error =
                #"{"error":{"code":503,"message":"queue full","status":"UNAVAILABLE","details":[{"retryDelay":"2.5s"}]}}"#
            backend.stub.set(":streamGenerateContent", .errorAfterHeartbeat(error))
            let late = try await backend.send(.post, "/chat", #"{"message": "Hm?", "stream": true}"#)
            #expect(serverSentEvents(early.text).last?.name == "error")
            #expect(serverSentEvents(early.text).last?.data.contains(#""status":502"#) == true)
            #expect(serverSentEvents(late.text).last?.data.contains(#""retry_after":3,"status":503"#) == true)
            #expect(try await backend.messageCount() == "0")
        }
    }

    @Test("A question that the model declines to answer is 422")
    func blocked() async throws {
        try await TestBackend.run { backend in
            backend.stub.set(":generateContent", .blocked)
            let answer = try await backend.send(.post, "/chat", #"{"message": "Hm?"}"#)
            #expect(answer.status == 422)
            #expect(answer.text.contains("SAFETY"))
        }
    }

    @Test("With the gateway away a turn is 503 with Retry-After")
    func gatewayAway() async throws {
        try await TestBackend.run { backend in
            await backend.stub.stop()
            let answer = try await backend.send(.post, "/chat", #"{"message": "Hm?"}"#)
            #expect(answer.status == 503)
            #expect(answer.fields[.retryAfter] != nil)
        }
    }

    @Test(
        "What is wrong with a question is named",
        arguments: [
            (#"{"message": ""}"#, 400, "#/message"), (#"{"message": " \n"}"#, 400, "#/message"),
            (#"{"message": 3}"#, 400, "#/message"), ("{}", 400, "#/message"), ("nothing", 400, nil), ("[]", 400, nil),
            (#"{"message": "a\u0000b"}"#, 400, "#/message"),
            (#"{"message": "a", "conversation_id": "x"}"#, 400, "#/conversation_id"),
            (#"{"message": "a", "conversation_id": "\#(UUID())"}"#, 404, nil),
            (#"{"message": "\#(String(repeating: "a", count: 33_000))"}"#, 400, "#/message"),
            (#"{"message": "\#(String(repeating: "a", count: 300_000))"}"#, 413, nil),
        ] as [(String, Int, String?)]
    )
    func validation(body: String, status: Int, pointer: String?) async throws {
        try await TestBackend.run { backend in
            let answer = try await backend.send(.post, "/chat", body)
            #expect(answer.status == status)
            #expect(answer.fields[.contentType] == "application/problem+json")
            #expect(try answer.json("errors", "0", "pointer") == pointer)
            #expect(backend.stub.calls().isEmpty)
        }
    }
}
