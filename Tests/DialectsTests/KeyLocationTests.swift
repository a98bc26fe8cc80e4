import Dialects
import NIOCore
import Testing

@Suite struct KeyLocationTests {
    private func view(_ text: String) -> ByteBufferView { ByteBuffer(string: text).readableBytesView }

    @Test("Each dialect looks first where its SDK puts the key")
    func first() {
        #expect(Dialect.gemini.keyLocations(isOpenAI: false).first == .xGoogAPIKey)
        #expect(Dialect.gemini.keyLocations(isOpenAI: true).first == .bearer)
        #expect(Dialect.pinecone.keyLocations(isOpenAI: false).first == .apiKey)
        #expect(Dialect.http.keyLocations(isOpenAI: false) == [.bearer, .xAPIKey])
        #expect(Dialect.gemini.keyLocations(isOpenAI: false).contains(.queryKey))
    }

    @Test("The upstream's key goes into the dialect's field")
    func upstream() {
        #expect(Dialect.gemini.upstreamKeyLine("K", isOpenAI: false) == "x-goog-api-key: K\r\n")
        #expect(Dialect.gemini.upstreamKeyLine("K", isOpenAI: true) == "Authorization: Bearer K\r\n")
        #expect(Dialect.pinecone.upstreamKeyLine("K", isOpenAI: false) == "Api-Key: K\r\n")
    }

    @Test(
        "A bearer token is what follows its scheme",
        arguments: [
            ("Bearer abc", "abc"), ("bearer  a b", "a b"), ("Bearer ", nil), ("Bearer", nil), ("Basic abc", nil),
            ("Bearerabc", nil), ("", nil),
        ] as [(String, String?)]
    )
    func bearer(value: String, token: String?) {
        #expect(Dialect.bearerToken(view(value)).map { String(decoding: $0, as: UTF8.self) } == token)
    }

    @Test(
        "A key is found in the query and taken off, escaped or not",
        arguments: [
            ("key=K", "K", ""), ("alt=sse&key=K", "K", "alt=sse"), ("key=a%2Bb&alt=sse", "a+b", "alt=sse"),
            ("a=1&%6bey=K&b=2&key=L", "K", "a=1&b=2"), ("key", "", ""), ("monkey=K&keys=1", nil, nil), ("", nil, nil),
            ("a=key&key=%zz", "%zz", "a=key"),
        ] as [(String, String?, String?)]
    )
    func query(query: String, key: String?, rest: String?) {
        #expect(QueryParameter.value(of: Dialect.keyParameter, in: view(query)) == key)
        #expect(QueryParameter.removing(Dialect.keyParameter, from: view(query)).map { String(buffer: $0) } == rest)
    }

    @Test(
        "Only what the call needs leaves the house",
        arguments: [
            ("Content-Type", true, true), ("content-encoding", true, true), ("Accept", true, true),
            ("User-Agent", true, true), ("X-Goog-Api-Client", true, false), ("x-goog-upload-command", true, false),
            ("X-Stainless-Lang", true, true), ("X-Pinecone-Api-Version", false, true), ("x-request-id", true, true),
            ("Traceparent", true, true), ("Via", true, true), ("x-goog-api-key", false, false),
            ("Api-Key", false, false), ("Authorization", false, false), ("Cookie", false, false),
            ("x-user-id", false, false), ("X-Forwarded-For", false, false), ("Accept-Encoding", false, false),
            ("Accept-Language", false, false), ("Content-Length", false, false), ("Referer", false, false),
            ("tracestate", false, false),
        ]
    )
    func forwarded(name: String, gemini: Bool, pinecone: Bool) {
        #expect(Dialect.gemini.forwards(view(name)) == gemini)
        #expect(Dialect.pinecone.forwards(view(name)) == pinecone)
        #expect(Dialect.http.forwards(view(name)))
    }
}
