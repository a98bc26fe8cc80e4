import Pacing
import Testing

/// Windows that begin at a reset.
@Suite struct CalendarWindowTests {
    private static let second = 1_000_000

    @Test("What was booked on the day before is not given back to the day after")
    func settledAfterReset() throws {
        var driver = QueueDriver()
        let day = QueueDriver.bucket("tpd", 1000, perSeconds: 86_400, reset: driver.now + 10 * Self.second)
        let first = driver.enter([day], costs: [800])
        let granted = try #require(first.reply.grants.first)
        let stamp = try #require(first.reply.stamps.first)
        for _ in 0..<13 {
            driver.now += Self.second
            _ = driver.call([.beat])
        }
        #expect(driver.enter([day], costs: [900]).reply.grants.count == 1)
        let reply = driver.call([.settle(granted, stamp, costs: [10]), .beat])
        #expect(reply.buckets.first?.used == 900)
        #expect(driver.enter([day], costs: [900]).reply.grants.isEmpty)
    }

    @Test("What was booked within 2 s of the reset is corrected on both sides")
    func settledAcrossReset() throws {
        var driver = QueueDriver()
        let day = QueueDriver.bucket("tpd", 1000, perSeconds: 86_400, reset: driver.now + 1_000_000)
        let first = driver.enter([day], costs: [800])
        let granted = try #require(first.reply.grants.first)
        let stamp = try #require(first.reply.stamps.first)
        for _ in 0..<4 {
            driver.now += Self.second
            _ = driver.call([.beat])
        }
        #expect(driver.call([.beat]).buckets.first?.used == 800)
        let reply = driver.call([.settle(granted, stamp, costs: [10]), .beat])
        #expect(reply.buckets.first?.used == 10)
    }
}
