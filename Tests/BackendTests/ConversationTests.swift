import Foundation
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct ConversationTests {
    @Test("A conversation is created, read, renamed and deleted")
    func lifecycle() async throws {
        try await TestBackend.run { backend in
            let created = try await backend.send(.post, "/conversations", #"{"title": " Trip "}"#)
            #expect(created.status == 201)
            #expect(try created.json("title") == "Trip")
            let id = try #require(try created.json("id"))
            let renamed = try await backend.send(.patch, "/conversations/\(id)", #"{"title": "Journey"}"#)
            #expect(renamed.status == 200)
            #expect(try renamed.json("title") == "Journey")
            let read = try await backend.send(.get, "/conversations/\(id)")
            #expect(try read.json("title") == "Journey")
            #expect(try read.json("created_at")?.hasSuffix("Z") == true)
            let deleted = try await backend.send(.delete, "/conversations/\(id)")
            #expect(deleted.status == 204)
            #expect(try await backend.send(.get, "/conversations/\(id)").status == 404)
            let untitled = try await backend.send(.post, "/conversations")
            #expect(untitled.status == 201)
            #expect(untitled.text.contains(#""title":null"#))
        }
    }

    @Test("Another user's conversation is 404 in every way")
    func othersConversation() async throws {
        try await TestBackend.run { backend in
            let created = try await backend.send(.post, "/chat", #"{"message": "Mine"}"#)
            let id = try #require(try created.json("conversation_id"))
            let path = "/conversations/\(id)"
            #expect(try await backend.send(.get, path, user: "bob").status == 404)
            #expect(try await backend.send(.patch, path, #"{"title": "x"}"#, user: "bob").status == 404)
            #expect(try await backend.send(.delete, path, user: "bob").status == 404)
            #expect(try await backend.send(.get, path + "/messages", user: "bob").status == 404)
            let chat = #"{"message": "Mine too", "conversation_id": "\#(id)"}"#
            #expect(try await backend.send(.post, "/chat", chat, user: "bob").status == 404)
            #expect(try await backend.send(.get, "/conversations", user: "bob").count("conversations") == 0)
            #expect(try await backend.send(.get, "/conversations/not-a-uuid").status == 404)
            #expect(try await backend.send(.get, path).status == 200)
        }
    }

    @Test("Pages are walked by cursor, newest first, while conversations are added")
    func pages() async throws {
        try await TestBackend.run { backend in
            for number in 0..<7 { try await backend.send(.post, "/conversations", #"{"title": "\#(number)"}"#) }
            var titles: [String] = []
            var path = "/conversations?limit=3"
            for _ in 0..<3 {
                let page = try await backend.send(.get, path)
                for index in 0..<(try page.count("conversations")) {
                    titles.append(try page.json("conversations", String(index), "title") ?? "")
                }
                // In between, as others do.
                try await backend.send(.post, "/conversations", #"{"title": "new"}"#)
                guard let cursor = try page.json("next_cursor") else { break }
                #expect(cursor.allSatisfy { $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" })
                path = "/conversations?limit=3&cursor=\(cursor)"
            }
            #expect(titles == ["6", "5", "4", "3", "2", "1", "0"])
        }
    }

    @Test("Messages are walked by cursor, oldest first")
    func messagePages() async throws {
        try await TestBackend.run { backend in
            let first = try await backend.send(.post, "/chat", #"{"message": "Q1"}"#)
            let id = try #require(try first.json("conversation_id"))
            try await backend.send(.post, "/chat", #"{"message": "Q2", "conversation_id": "\#(id)"}"#)
            let page = try await backend.send(.get, "/conversations/\(id)/messages?limit=3")
            let cursor = try #require(try page.json("next_cursor"))
            let rest = try await backend.send(.get, "/conversations/\(id)/messages?limit=3&cursor=\(cursor)")
            #expect(try page.json("messages", "0", "content") == "Q1")
            #expect(try page.json("messages", "2", "content") == "Q2")
            #expect(try rest.count("messages") == 1)
            #expect(try rest.json("messages", "0", "role") == "assistant")
            #expect(try rest.json("next_cursor") == nil)
        }
    }

    @Test(
        "A limit or cursor that makes no sense is named",
        arguments: ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=", "cursor=EQAAAAAAAAAA"]
    )
    func badPage(query: String) async throws {
        try await TestBackend.run { backend in
            let answer = try await backend.send(.get, "/conversations?\(query)")
            #expect(answer.status == 400)
            #expect(try answer.json("errors", "0", "parameter") == String(query.prefix { $0 != "=" }))
        }
    }

    @Test("A conversation deleted in mid-turn takes the turn with it")
    func deletedDuringTurn() async throws {
        try await TestBackend.run { backend in
            let created = try await backend.send(.post, "/conversations")
            let id = try #require(try created.json("id"))
            backend.stub.hold()
            let turn = Task {
                try await backend.send(.post, "/chat", #"{"message": "Hm?", "conversation_id": "\#(id)"}"#)
            }
            try await eventually("the model is held") { backend.stub.heldCount == 1 }
            try await backend.send(.delete, "/conversations/\(id)")
            backend.stub.release()
            #expect(try await turn.value.status == 404)
            #expect(try await backend.messageCount() == "0")
        }
    }
}
