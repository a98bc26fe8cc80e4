import Backend
import HTTPTypes
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct DocumentTests {
    @Test("A document is cut, embedded and put into the index")
    func add() async throws {
        try await TestBackend.run { backend in
            let text = Array(repeating: "A sentence about rivers.", count: 300).joined(separator: " ")
            let answer = try await backend.send(.post, "/documents", #"{"title": "Rivers", "text": "\#(text)"}"#)
            #expect(answer.status == 201)
            let chunks = Chunker.chunks(of: text).count
            #expect(chunks > 3)
            #expect(try answer.json("chunks") == String(chunks))
            #expect(backend.stub.calls(":embedContent").count == chunks)
            let upsert = try #require(backend.stub.calls("/vectors/upsert").first)
            let id = try #require(try answer.json("id"))
            #expect(upsert.body.contains("\"id\":\"\(id)#0\""))
            #expect(upsert.body.contains(#""title":"Rivers""#))
            #expect(try await backend.database.sql("SELECT chunks FROM document") == String(chunks))
        }
    }

    @Test("A document that fails half-way is taken out again")
    func failure() async throws {
        try await TestBackend.run { backend in
            backend.stub.set("/vectors/upsert", .refuse(status: 503, retryAfter: 4, body: ""))
            let answer = try await backend.send(.post, "/documents", #"{"text": "Some words."}"#)
            #expect(answer.status == 503)
            #expect(answer.fields[.retryAfter] == "4")
            #expect(backend.stub.calls("/vectors/delete").count == 1)
            #expect(try await backend.database.sql("SELECT count(*) FROM document") == "0")
        }
    }

    @Test("Without words there is nothing to add", arguments: [#"{"text": " "}"#, #"{"title": "a"}"#])
    func empty(body: String) async throws {
        try await TestBackend.run { backend in
            let answer = try await backend.send(.post, "/documents", body)
            #expect(answer.status == 400)
            #expect(try answer.json("errors", "0", "pointer") == "#/text")
        }
    }

    @Test(
        "Passages hold every word, overlap, and are no longer than they may be",
        arguments: [10, 1_200, 1_201, 5_000, 20_000]
    )
    func chunks(length: Int) {
        var words: [String] = []
        var count = 0
        while count < length {
            let word = "word\(words.count)" + (words.count % 11 == 10 ? "." : "")
            words.append(word)
            count += word.count + 1
        }
        let text = words.joined(separator: " ")
        let chunks = Chunker.chunks(of: text)
        let found = Set(chunks.flatMap { $0.split(separator: " ") }.map(String.init))
        #expect(words.allSatisfy(found.contains))
        #expect(chunks.allSatisfy { $0.count <= Chunker.size })
        for (one, next) in zip(chunks, chunks.dropFirst()) {
            #expect(one.contains(next.split(separator: " ")[0]))
        }
    }

    @Test("A text without a space is cut all the same")
    func noSpaces() {
        let chunks = Chunker.chunks(of: String(repeating: "字", count: 3_000))
        #expect(chunks.map(\.count) == [1_200, 1_200, 600])
    }
}
