internal import Simulator
internal import Testing

@Suite struct EndpointTests {
    @Test(
        "Gemini's calls are known under each version",
        arguments: ["v1", "v1beta", "v1alpha"],
        [
            ("POST", "models/gemini-2.5-flash:generateContent", .generateContent(model: "gemini-2.5-flash")),
            ("POST", "models/gemini-2.5-flash%3AcountTokens", .countTokens(model: "gemini-2.5-flash")),
            ("POST", "tunedModels/a%20b:c:generateContent", .generateContent(model: "tunedModels/a b:c")),
            ("POST", "models/m:batchEmbedContents", .batchEmbedContents(model: "m")),
            ("POST", "models/m:embedContent", .embedContent(model: "m")),
            ("GET", "models", .listModels),
            ("GET", "models/m", .getModel("m")),
        ] as [(String, String, GeminiCall)]
    )
    func gemini(version: String, call: (method: String, path: String, expected: GeminiCall)) {
        #expect(Endpoint(method: call.method, path: "/\(version)/\(call.path)") == .gemini(call.expected))
    }

    @Test("A stream is events where alt=sse asks for them, else an array", arguments: [("alt=sse", true), ("", false)])
    func streams(query: String, events: Bool) {
        let endpoint = Endpoint(
            method: "POST",
            path: "/v1/models/m:streamGenerateContent",
            query: QueryItems(query)
        )
        #expect(endpoint == .gemini(.streamGenerateContent(model: "m", events: events)))
    }

    @Test(
        "OpenAI-compatible calls",
        arguments: [
            ("POST", "chat/completions", .chatCompletions), ("POST", "embeddings", .embeddings),
            ("GET", "models", .listModels), ("GET", "models/m", .getModel("m")),
        ] as [(String, String, OpenAICall)]
    )
    func openAI(method: String, path: String, expected: OpenAICall) {
        #expect(Endpoint(method: method, path: "/v1beta/openai/\(path)") == .openAI(expected))
    }

    @Test("Pinecone's calls are known at the root and below the prefix", arguments: ["", "/pinecone"])
    func pinecone(prefix: String) {
        func endpoint(_ method: String, _ path: String) -> Endpoint {
            Endpoint(method: method, path: prefix + path, pineconePrefix: "/pinecone")
        }
        #expect(endpoint("POST", "/query") == .pinecone(.query))
        #expect(endpoint("POST", "/vectors/upsert") == .pinecone(.upsert))
        #expect(endpoint("GET", "/vectors/fetch") == .pinecone(.fetch))
        #expect(endpoint("GET", "/indexes/a") == .pinecone(.describeIndex("a")))
        #expect(endpoint("POST", "/describe_index_stats") == .pinecone(.describeIndexStats))
    }

    @Test("Unknown paths are told in the form of the service that they look like")
    func unknown() {
        #expect(Endpoint(method: "POST", path: "/v1/models/m:fly") == .unknown(.gemini))
        #expect(Endpoint(method: "GET", path: "/query") == .unknown(.pinecone))
    }

    @Test("Query members are decoded and may repeat")
    func query() {
        let items = QueryItems("ids=a%20b&ids=c+d&ids=%zz&namespace=")
        #expect(items.all("ids") == ["a b", "c d", "%zz"])
        #expect(items.first("namespace") == "")
        #expect(items.first("absent") == nil)
    }

    @Test(
        "Addresses to listen on",
        arguments: [
            ("127.0.0.1:9000", .tcp(host: "127.0.0.1", port: 9000)), ("[::1]:0", .tcp(host: "::1", port: 0)),
            ("unix:/run/s.sock", .unix(path: "/run/s.sock")), ("9000", nil), (":1", nil), ("h:70000", nil),
            ("unix:", nil),
        ] as [(String, ListenAddress?)]
    )
    func addresses(text: String, expected: ListenAddress?) {
        #expect(ListenAddress(text) == expected)
    }
}
