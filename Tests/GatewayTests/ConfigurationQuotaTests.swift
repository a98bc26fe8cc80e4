import Gateway
import Testing

@Suite("Quotas of tokens and days") struct ConfigurationQuotaTests {
    private func quota(_ text: String) throws -> Configuration.Quota {
        let text = soundConfiguration.replacing("[[route]]", with: "[[upstream.quota]]\n\(text)\n[[route]]")
        return try readConfiguration(text).upstreams[0].quotas[0]
    }

    @Test(
        "Tokens are counted as Gemini counts them, unless the file says otherwise",
        arguments: [
            ("tokens = 250000\nper = \"1m\"", .tokens(.input), 250_000, 125_000),
            ("tokens = 250000\nper = \"1m\"\ncount = \"total\"", .tokens(.total), 250_000, 125_000),
            ("tokens = 1001\nper = \"1m\"\ncount = \"output\"\nheadroom = \"10%\"", .tokens(.output), 900, 450),
            ("requests = 10\nper = \"1m\"", .requests, 10, 5),
        ] as [(String, Configuration.Quota.Unit, Int, Int)]
    )
    func units(text: String, unit: Configuration.Quota.Unit, limit: Int, burst: Int) throws {
        let quota = try quota(text)
        #expect(quota.unit == unit)
        #expect(quota.limit == limit)
        #expect(quota.burst == burst)
    }

    @Test("What an upstream states is for all who use it: the headroom is taken off that too")
    func headroom() throws {
        let quota = try quota("requests = 360\nper = \"1m\"\nheadroom = \"20%\"")
        #expect(quota.whole == 360)
        #expect(quota.limit == 288)
        #expect(quota.withoutHeadroom(300) == 240)
        #expect(quota.withoutHeadroom(1) == 1)
    }

    @Test("A day begins at a local time of its zone, and all of it may be used at once")
    func reset() throws {
        let quota = try quota("requests = 1500\nper = \"1d\"\nreset = \"00:00 UTC\"")
        let reset = try #require(quota.reset)
        #expect(reset.zone == "UTC")
        #expect(reset.next(after: 86_399) == 86_400)
        #expect(quota.burst == 1_500)
    }

    @Test(
        "Each mistake is told with what would be right",
        arguments: [
            ("per = \"1m\"", "quota[0]: has neither requests nor tokens: how many fit in the window"),
            (
                "requests = 1\ntokens = 1\nper = \"1m\"",
                "quota[0].tokens: stands beside requests: write a quota for each, a call must fit both"
            ),
            (
                "requests = 1\ncount = \"input\"\nper = \"1m\"",
                "quota[0].count: says which tokens are meant: it needs tokens, not requests"
            ),
            (
                "tokens = 1\ncount = \"inputs\"\nper = \"1m\"",
                "quota[0].count: must be \"input\", \"output\" or \"total\", is \"inputs\"; did you mean \"input\"?"
            ),
            (
                "tokens = 1\nbatch = \"call\"\nper = \"1m\"",
                "quota[0].batch: is for requests: a batch costs the tokens that it has"
            ),
            (
                "requests = 1\nper = \"1h\"\nreset = \"00:00 UTC\"",
                "quota[0].reset: begins each day anew: it needs per = \"1d\""
            ),
            (
                "requests = 1\nper = \"1d\"\nreset = \"midnight\"",
                "quota[0].reset: must be a time and a zone such as \"00:00 America/Los_Angeles\", is \"midnight\""
            ),
            (
                "requests = 9\nper = \"1d\"\nburst = 3\nreset = \"00:00 UTC\"",
                "quota[0].burst: stands beside reset: what a day has left may go at any time of it"
            ),
            ("requests = 1\nper = \"1m\"\nmodels = []", "quota[0].models: is empty: leave it out for all"),
            ("requests = 1\nper = \"1m\"\nmethods = []", "quota[0].methods: is empty: leave it out for all"),
            (
                "requests = 1\nper = \"1m\"\nmodels = [\"gemini-*\", \"models/gemini-2.5-flash\"]",
                "quota[0].models: \"models/gemini-2.5-flash\" matches none: names begin behind \"models/\""
            ),
            (
                "requests = 1\nper = \"1m\"\nmethods = [\"chat/completions\"]",
                "quota[0].methods: \"chat/completions\" is a path: a method is meant, such as \"generateContent\""
            ),
            ("tokens = 5\nper = \"1m\"\nheadroom = \"90%\"", "quota[0].headroom: 90% of 5 tokens leaves none"),
        ]
    )
    func mistakes(text: String, expected: String) {
        let all = GatewayTests.mistakes(
            soundConfiguration.replacing("[[route]]", with: "[[upstream.quota]]\n\(text)\n[[route]]")
        )
        #expect(all.contains { $0.hasSuffix("upstream[0]." + expected) }, "\(all)")
        #expect(all.count == 1)
    }

    @Test(
        "A method that looks like one of the service's is asked about; one that does not may be new",
        arguments: [
            ("gemini", "generateContents", "generateContent"), ("gemini", "generatecontent", "generateContent"),
            ("gemini", "embedContent", nil), ("gemini", "images/generations", nil), ("gemini", "paintContent", nil),
            ("gemini", "querry", nil), ("pinecone", "querry", "query"),
        ]
    )
    func methods(dialect: String, method: String, meant: String?) throws {
        let text = Self.quota("requests = 1\nper = \"1m\"\nmethods = [\"\(method)\"]", dialect: dialect)
        let warnings = try ConfigurationReader(text: text, environment: [:]).read().warnings
            .filter { $0.contains("methods") }
        let place = "upstream[0].quota[0].methods"
        let expected = meant.map { ["\(place): no known method is \"\(method)\"; is \"\($0)\" meant?"] } ?? []
        #expect(warnings == expected)
    }

    @Test("Calls without a model share one bucket")
    func scopeWithoutModels() throws {
        let text = Self.quota("requests = 100\nper = \"1m\"\nscope = \"model\"", dialect: "pinecone")
        #expect(try readConfiguration(text).upstreams[0].quotas[0].scope == .upstream)
    }

    private static func quota(_ text: String, dialect: String) -> String {
        upstreamConfiguration(dialect: dialect) + "[[upstream.quota]]\n\(text)"
    }

    @Test("Calls of any HTTP service have no method that a quota could name")
    func noMethods() {
        #expect(
            GatewayTests.mistakes(Self.quota("requests = 1\nper = \"1m\"\nmethods = [\"get\"]", dialect: "http")) == [
                "f:9: upstream[0].quota[0].methods: calls of dialect \"http\" have no method: leave it out"
            ]
        )
    }

    @Test("Only answers of Gemini tell tokens", arguments: ["pinecone", "http"])
    func dialects(dialect: String) {
        #expect(
            GatewayTests.mistakes(Self.quota("tokens = 10\nper = \"1m\"", dialect: dialect)) == [
                "f:7: upstream[0].quota[0].tokens: answers of dialect \"\(dialect)\" tell no tokens: count requests"
            ]
        )
    }

    @Test("A zone that is not known is answered with the nearest, or with how to get the zones")
    func zones() {
        func told(_ zone: String, _ zones: ZoneDatabase) -> [String] {
            let quota = "[[upstream.quota]]\nrequests = 1\nper = \"1d\"\nreset = \"00:00 \(zone)\"\n[[route]]"
            do {
                _ = try ConfigurationReader(
                    text: soundConfiguration.replacing("[[route]]", with: quota),
                    environment: [:],
                    isReadable: { _ in true },
                    zones: zones
                ).read()
                return []
            } catch { return error.errors.map(\.message) }
        }
        #expect(
            told("Europe/Berlin", ZoneDatabase(directories: ["/nowhere"])) == [
                "no time zone database in /usr/share/zoneinfo, /usr/lib/zoneinfo, /usr/share/lib/zoneinfo, "
                    + "/etc/zoneinfo: install tzdata, or use UTC"
            ]
        )
        #expect(
            told("America/Los_Angelos", ZoneDatabase()) == [
                "no time zone is named \"America/Los_Angelos\"; did you mean \"America/Los_Angeles\"?"
            ]
        )
        #expect(told("Nowhere/At_All_Whatever", ZoneDatabase()).first?.hasPrefix("no time zone is named") == true)
    }
}
