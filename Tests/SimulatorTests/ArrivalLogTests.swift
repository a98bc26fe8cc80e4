internal import Simulator
internal import Testing

@Suite struct ArrivalLogTests {
    private func arrival(at second: Int) -> Arrival {
        Arrival(at: .seconds(second), wall: 0, method: "POST", path: "/query", call: "query")
    }

    @Test("The log keeps the last arrivals and tells how many it dropped")
    func bounded() {
        let log = ArrivalLog(capacity: 3)
        for second in 1...5 { _ = log.note(arrival(at: second)) }
        let report = log.report(since: .min, now: .seconds(6))
        #expect(report.arrivals.map(\.at) == [3_000_000, 4_000_000, 5_000_000])
        #expect(report.arrivals.map(\.id) == [3, 4, 5])
        #expect(report.dropped == 2)
        #expect(report.now == 6_000_000)
    }

    @Test("What is learned later is added, and ignored where the arrival is gone")
    func amend() {
        let log = ArrivalLog(capacity: 2)
        let ids = (1...3).map { log.note(arrival(at: $0)) }
        for id in ids { log.amend(id) { $0.status = 200 + id } }
        #expect(log.report(since: .min, now: .zero).arrivals.map(\.status) == [202, 203])
    }

    @Test("Only what came later is told")
    func since() {
        let log = ArrivalLog(capacity: 9)
        for second in 1...3 { _ = log.note(arrival(at: second)) }
        #expect(log.report(since: 2_000_000, now: .zero).arrivals.map(\.at) == [3_000_000])
    }

    @Test("A cleared log goes on counting")
    func clear() {
        let log = ArrivalLog(capacity: 9)
        _ = log.note(arrival(at: 1))
        log.clear()
        _ = log.note(arrival(at: 2))
        #expect(log.report(since: .min, now: .zero).arrivals.map(\.id) == [2])
    }
}
