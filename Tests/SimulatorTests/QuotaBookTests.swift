internal import Simulator
internal import Testing

@Suite struct QuotaBookTests {
    private let book = QuotaBook()

    private func rules(_ limits: [Quota: Int], countsRefused: Bool = true) -> QuotaRules {
        var rules = QuotaRules()
        rules.limits = limits
        rules.countsRefused = countsRefused
        return rules
    }

    private func call(_ model: String = "gemini-2.5-flash", requests: Int = 1, tokens: Int = 0) -> Demand {
        Demand(service: .gemini(.generate), model: model, requests: requests, tokens: tokens)
    }

    @Test("Each model has its own quota")
    func models() {
        let rules = rules([.requestsPerMinute: 1])
        #expect(book.charge(call("gemini-a"), at: .zero, rules: rules).isEmpty)
        #expect(book.charge(call("gemini-b"), at: .zero, rules: rules).isEmpty)
        #expect(book.charge(call("gemini-a"), at: .seconds(59), rules: rules).count == 1)
    }

    @Test("A call is refused by every quota that it exceeds")
    func several() {
        let rules = rules([.requestsPerMinute: 1, .tokensPerMinute: 100, .requestsPerDay: 50])
        #expect(book.charge(call(tokens: 90), at: .zero, rules: rules).isEmpty)
        let violations = book.charge(call(tokens: 20), at: .seconds(10), rules: rules)
        #expect(violations.map(\.quota) == [.requestsPerMinute, .tokensPerMinute])
        #expect(violations.map(\.wait) == [.seconds(50), .seconds(50)])
    }

    @Test("Refused arrivals take room, unless told otherwise", arguments: [true, false])
    func refusedArrivals(counted: Bool) {
        let rules = rules([.requestsPerMinute: 1], countsRefused: counted)
        _ = book.charge(call(), at: .zero, rules: rules)
        _ = book.charge(call(), at: .seconds(30), rules: rules)
        #expect(book.charge(call(), at: .seconds(60), rules: rules).isEmpty == !counted)
    }

    @Test("A batch counts by its items")
    func batch() {
        let rules = rules([.requestsPerMinute: 100])
        let batch = Demand(service: .gemini(.embed), model: "gemini-embedding-001", requests: 60)
        #expect(book.charge(batch, at: .zero, rules: rules).isEmpty)
        #expect(book.charge(batch, at: .seconds(1), rules: rules).first?.limit == 100)
    }

    @Test("Pinecone's queries have a quota of their own")
    func pinecone() {
        let rules = rules([.requestsPerMinute: 1, .pineconeQueriesPerMinute: 2])
        let query = Demand(service: .pinecone, model: "sluice")
        for _ in 0..<2 { #expect(book.charge(query, at: .zero, rules: rules).isEmpty) }
        #expect(book.charge(query, at: .zero, rules: rules).map(\.quota) == [.pineconeQueriesPerMinute])
    }

    @Test("Usage tells the largest window of a bucket even where nothing limits it")
    func usage() {
        for second in [0, 1, 2, 70] { _ = book.charge(call(), at: .seconds(second), rules: QuotaRules()) }
        let usage = book.usage(at: .seconds(71))
        let requests = usage.first { $0.quota == "requests-per-minute" }
        #expect(requests?.largest == 3)
        #expect(requests?.used == 1)
        #expect(requests?.limit == nil)
        #expect(!usage.contains { $0.quota == "requests-per-day" })
    }

    @Test("More models than there is room for share a bucket")
    func manyModels() {
        let rules = rules([.requestsPerMinute: 1_000_000])
        for number in 0..<12_000 { _ = book.charge(call("gemini-\(number)"), at: .zero, rules: rules) }
        #expect(book.usage(at: .zero).count <= 10_002)
    }
}
