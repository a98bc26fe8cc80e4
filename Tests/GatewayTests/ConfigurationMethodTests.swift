import Gateway
import Testing

@Suite("Methods of calls in the configuration") struct ConfigurationMethodTests {
    private static func cache(_ dialect: String, method: String) -> String {
        upstreamConfiguration(dialect: dialect) + """
            [[route]]
            path = "/**"
            upstream = "u"
            [route.cache]
            methods = ["\(method)"]
            """
    }

    @Test(
        "A method of a cache that looks like a known one is asked about, and may be HTTP's",
        arguments: [
            ("gemini", "embedContents", "embedContent"), ("gemini", "embedContent", nil), ("gemini", "get", "GET"),
            ("gemini", "paintContent", nil), ("pinecone", "querry", "query"), ("pinecone", "fetch_by_metadata", nil),
            ("http", "GET", nil), ("http", "post", "POST"), ("http", "REPORT", nil),
        ]
    )
    func ofCache(dialect: String, method: String, meant: String?) throws {
        let text = Self.cache(dialect, method: method)
        let warnings = try ConfigurationReader(text: text, environment: [:]).read().warnings
        let expected = meant.map {
            ["route[0].cache.methods: no known method is \"\(method)\"; is \"\($0)\" meant?"]
        }
        #expect(warnings.filter { $0.contains("methods") } == expected ?? [])
    }

    @Test("A path is no method of a cache")
    func path() {
        #expect(
            GatewayTests.mistakes(Self.cache("gemini", method: "chat/completions")) == [
                "f:10: route[0].cache.methods: \"chat/completions\" is a path: a method is meant, such as "
                    + "\"generateContent\""
            ]
        )
    }

    @Test("Where the upstream is unknown, only that is said")
    func unknownUpstream() {
        let text = Self.cache("gemini", method: "get").replacing("upstream = \"u\"", with: "upstream = \"v\"")
        #expect(
            GatewayTests.mistakes(text) == [
                "f:8: route[0].upstream: no [[upstream]] is named \"v\"; did you mean \"u\"?"
            ]
        )
    }
}
