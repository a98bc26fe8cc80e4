import Foundation
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct IdempotencyTests {
    private static func key(_ key: String) -> HTTPFields { [HTTPField.Name("idempotency-key")!: key] }
    private static let question = #"{"message": "Once"}"#

    @Test("The same key gives the same answer and one message, as JSON and as stream")
    func replay() async throws {
        try await TestBackend.run { backend in
            let first = try await backend.send(.post, "/chat", Self.question, fields: Self.key("k"))
            let second = try await backend.send(.post, "/chat", Self.question, fields: Self.key("k"))
            var fields = Self.key("k")
            fields[.accept] = "text/event-stream"
            let streamed = try await backend.send(.post, "/chat", Self.question, fields: fields)
            #expect(first.status == 200)
            #expect(second.text == first.text)
            let events = serverSentEvents(streamed.text)
            #expect(events.map(\.name) == ["start", "delta", "done"])
            #expect(events.last?.data == first.text)
            #expect(try await backend.messageCount() == "2")
            #expect(backend.stub.calls(":generateContent").count == 1)
        }
    }

    @Test("Keys are a user's own")
    func scope() async throws {
        try await TestBackend.run { backend in
            let ann = try await backend.send(.post, "/chat", Self.question, fields: Self.key("k"))
            let bob = try await backend.send(.post, "/chat", Self.question, user: "bob", fields: Self.key("k"))
            #expect(try ann.json("conversation_id") != bob.json("conversation_id"))
            #expect(try await backend.messageCount() == "4")
        }
    }

    @Test("Twenty of the same at once: one does the work, the others get 409 or its answer")
    func concurrent() async throws {
        try await TestBackend.run { backend in
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        try await backend.send(.post, "/chat", Self.question, fields: Self.key("k")).status
                    }
                }
                return try await group.reduce(into: [Int: Int]()) { $0[$1, default: 0] += 1 }
            }
            #expect(Set(statuses.keys).isSubset(of: [200, 409]))
            #expect(statuses[200, default: 0] >= 1)
            #expect(try await backend.messageCount() == "2")
            #expect(backend.stub.calls(":generateContent").count == 1)
            let later = try await backend.send(.post, "/chat", Self.question, fields: Self.key("k"))
            #expect(later.status == 200)
        }
    }

    @Test("While the work goes on the same request is 409 with Retry-After; another one under the key is 422")
    func conflict() async throws {
        try await TestBackend.run { backend in
            backend.stub.hold()
            let first = Task { try await backend.send(.post, "/chat", Self.question, fields: Self.key("k")) }
            try await eventually("the model is held") { backend.stub.heldCount == 1 }
            let same = try await backend.send(.post, "/chat", Self.question, fields: Self.key("k"))
            let other = try await backend.send(.post, "/chat", #"{"message": "Other"}"#, fields: Self.key("k"))
            backend.stub.release()
            #expect(same.status == 409)
            #expect(same.fields[.retryAfter] == "1")
            #expect(other.status == 422)
            #expect(try await first.value.status == 200)
        }
    }

    @Test("After a failure the same key may be tried again")
    func retryAfterFailure() async throws {
        try await TestBackend.run { backend in
            backend.stub.set(":generateContent", .refuse(status: 503, retryAfter: 1, body: ""))
            let failed = try await backend.send(.post, "/chat", Self.question, fields: Self.key("k"))
            backend.stub.set(":generateContent", .answer)
            let again = try await backend.send(.post, "/chat", Self.question, fields: Self.key("k"))
            #expect(failed.status == 503)
            #expect(again.status == 200)
            #expect(try await backend.messageCount() == "2")
        }
    }

    @Test("A key whose owner died is taken over when its lease has run out")
    func takeOver() async throws {
        try await TestBackend.run { backend in
            try await backend.send(.post, "/chat", Self.question, fields: Self.key("k"))
            // As a process leaves it that dies before the commit.
            try await backend.database.sql(
                "UPDATE idempotency_key SET body = NULL, status = NULL, leased_until = now() - interval '1 second'"
            )
            let answer = try await backend.send(.post, "/chat", Self.question, fields: Self.key("k"))
            #expect(answer.status == 200)
        }
    }

    @Test("Conversations and documents keep their keys too")
    func otherRoutes() async throws {
        try await TestBackend.run { backend in
            let first = try await backend.send(.post, "/conversations", #"{"title": "a"}"#, fields: Self.key("c"))
            let second = try await backend.send(.post, "/conversations", #"{"title": "a"}"#, fields: Self.key("c"))
            #expect(second.status == 201)
            #expect(first.text == second.text)
            let document = #"{"title": "T", "text": "Some words."}"#
            let added = try await backend.send(.post, "/documents", document, fields: Self.key("d"))
            let again = try await backend.send(.post, "/documents", document, fields: Self.key("d"))
            #expect(added.status == 201)
            #expect(added.text == again.text)
            #expect(backend.stub.calls("/vectors/upsert").count == 1)
            let elsewhere = try await backend.send(.post, "/conversations", fields: Self.key("d"))
            #expect(elsewhere.status == 422)
        }
    }
}
