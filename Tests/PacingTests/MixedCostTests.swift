import Pacing
import Testing

@Suite("Calls of unequal shape in several buckets") struct MixedCostTests {
    private static let buckets = [
        QueueDriver.bucket("a-requests", 20, perSeconds: 4, burst: 10),
        QueueDriver.bucket("b-hour", 70, perSeconds: 3_600),
        QueueDriver.bucket("c-tokens", 900, perSeconds: 4, burst: 450),
    ]

    @Test("Each bucket is reckoned by what the others take of it, not by what they take of another")
    func noLongWait() {
        var driver = QueueDriver()
        var told: [Micros] = []
        var entered: [Int: Micros] = [:]
        for number in 0..<60 {
            // Small ones are bound by requests, large ones by tokens; all 60 fit the hour.
            let tokens = number.isMultiple(of: 2) ? 5 : 90
            let (ticket, reply) = driver.enter(Self.buckets, costs: [1, 1, tokens])
            guard case .waiting(let wait, _) = reply.results[0] else {
                Issue.record("\(reply.results)")
                return
            }
            entered[ticket.id] = driver.now
            told.append(wait)
        }
        // 2,850 tokens at 900 in 4 s, 60 requests at 20.
        #expect((told.max() ?? 0) < 20_000_000, "\(told.max() ?? 0)")
        driver.run(until: driver.now + 30_000_000)
        #expect(driver.grants.count == 60)
        // The last was told about what it waited.
        let last = driver.grants.map { $0.at - (entered[$0.ticket.id] ?? 0) }.max() ?? 0
        #expect(abs(last - (told.last ?? 0)) < last / 3, "told \(told.last ?? 0), waited \(last)")
    }

    @Test("The hour that is too small for all of them is told at once, to those whom it does not hold")
    func longWait() {
        var driver = QueueDriver()
        var refused = 0
        for number in 0..<90 {
            let tokens = number.isMultiple(of: 2) ? 5 : 90
            let reply = driver.enter(Self.buckets, costs: [1, 1, tokens], patience: 60_000_000).reply
            if case .tooLong(let wait) = reply.results[0] {
                refused += 1
                #expect(wait > 3_500_000_000)
            }
        }
        #expect(refused == 20)
    }
}
