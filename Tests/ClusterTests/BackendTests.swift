import Foundation
import TestSupport
import Testing

@Suite("The chat behind the gateway", .timeLimit(.minutes(3)))
struct BackendTests {
    private static let secret = "test-identity-secret-of-some-length"

    private static func configuration(backend port: Int) -> String {
        """
        [auth]
        mode = "required"

        [[client]]
        name = "backend"
        key = "backend-key"
        may_name_users = true


        """ + Configurations.gemini + Configurations.geminiRoute + Configurations.pinecone + """

            [[upstream]]
            name = "backend"
            dialect = "http"
            url = "http://127.0.0.1:\(port)"
            identity_secret = "\(secret)"

            [[route]]
            name = "chat"
            path = "/{chat,conversations}/**"
            upstream = "backend"
            auth = "optional"

            """
    }

    struct Chat {
        let deployment: Deployment
        let database: TestDatabase
        let backend: ServerProcess

        static func start() async throws -> Chat {
            let port = freePort()
            let deployment = try await Deployment.start(
                .init(redis: false, configuration: configuration(backend: port))
            )
            let database = try await TestDatabase.make()
            let backend = try ServerProcess(
                [Binaries.path("backend")],
                environment: [
                    "DATABASE_URL": database.url,
                    "GATEWAY_URL": deployment.address,
                    "GATEWAY_KEY": "backend-key",
                    "IDENTITY_SECRET": secret,
                    "LISTEN": "127.0.0.1:\(port)",
                ]
            )
            try await backend.waitUntilAccepting(port: port)
            return Chat(deployment: deployment, database: database, backend: backend)
        }

        func stop() async throws {
            try await backend.terminate()
            try await deployment.stop()
        }
    }

    private func cookie(_ answer: HTTP.Answer) -> String {
        String((answer.fields["set-cookie"] ?? "").prefix { $0 != ";" })
    }

    @Test("A turn is answered and stored, and its conversation is the caller's alone")
    func turn() async throws {
        let chat = try await Chat.start()
        let address = chat.deployment.address
        let answer = try await HTTP.send("POST", address + "/chat", body: #"{"message":"What is a quota?"}"#)
        #expect(answer.status == 200, "\(answer.body)")
        #expect(answer.body.contains("What is a quota?"))
        let object = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any]
        let id = try #require(object?["conversation_id"] as? String)
        let mine = cookie(answer)
        #expect(mine.hasPrefix("sluice_id="))
        let messages = try await HTTP.get(address + "/conversations/\(id)/messages", fields: ["Cookie: \(mine)"])
        #expect(messages.status == 200)
        #expect(messages.body.contains("\"role\":\"user\""))
        let stranger = try await HTTP.get(address + "/conversations/\(id)/messages")
        #expect(stranger.status == 404)
        let stored = try await chat.database.sql("SELECT count(*) FROM message")
        #expect(stored.contains("2"))
        try await chat.stop()
    }

    @Test("A streamed turn ends with done, and is in Postgres then")
    func streamed() async throws {
        let chat = try await Chat.start()
        let answer = try await HTTP.send(
            "POST",
            chat.deployment.address + "/chat",
            body: #"{"message":"Stream this","stream":true}"#
        )
        #expect(answer.fields["content-type"]?.hasPrefix("text/event-stream") == true)
        #expect(answer.body.contains("event: start"))
        #expect(answer.body.contains("event: delta"))
        #expect(answer.body.contains("event: done"))
        let stored = try await chat.database.sql("SELECT count(*) FROM message")
        #expect(stored.contains("2"))
        try await chat.stop()
    }

    @Test("A user id that a caller writes itself is not believed")
    func forged() async throws {
        let chat = try await Chat.start()
        let address = chat.deployment.address
        let victim = try await HTTP.send("POST", address + "/chat", body: #"{"message":"mine"}"#)
        let object = try JSONSerialization.jsonObject(with: Data(victim.body.utf8)) as? [String: Any]
        let id = try #require(object?["conversation_id"] as? String)
        let user = cookie(victim).dropFirst("sluice_id=".count).prefix { $0 != "." }
        let forged = try await HTTP.get(
            address + "/conversations/\(id)/messages",
            fields: ["x-user-id: \(user)", "x-sluice-signature: t=1,v1=00"]
        )
        #expect(forged.status == 404)
        try await chat.stop()
    }
}
