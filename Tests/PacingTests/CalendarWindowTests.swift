import Pacing
import Testing

/// Windows that begin at a reset.
@Suite struct CalendarWindowTests {
    private static let second = 1_000_000

    /// A day of 1000 of which 800 were granted, and so many seconds later.
    private func spent(
        secondsToReset: Int,
        passing: Int
    ) throws -> (driver: QueueDriver, granted: QueueTicket, stamp: GrantStamp) {
        var driver = QueueDriver()
        let first = driver.enter([day(driver, secondsToReset)], costs: [800])
        let granted = try #require(first.reply.grants.first)
        let stamp = try #require(first.reply.stamps.first)
        for _ in 0..<passing {
            driver.now += Self.second
            _ = driver.call([.beat])
        }
        return (driver, granted, stamp)
    }

    private func day(_ driver: QueueDriver, _ secondsToReset: Int) -> BucketFigures {
        QueueDriver.bucket("tpd", 1000, perSeconds: 86_400, reset: driver.now + secondsToReset * Self.second)
    }

    @Test("What was booked on the day before is not given back to the day after")
    func settledAfterReset() throws {
        let day = try spent(secondsToReset: 10, passing: 13)
        var driver = day.driver
        let next = self.day(driver, 86_400 - 3)
        #expect(driver.enter([next], costs: [900]).reply.grants.count == 1)
        let reply = driver.call([.settle(day.granted, day.stamp, costs: [10]), .beat])
        #expect(reply.buckets.first?.used == 900)
        #expect(driver.enter([next], costs: [900]).reply.grants.isEmpty)
    }

    @Test("What was booked within 2 s of the reset is corrected on both sides")
    func settledAcrossReset() throws {
        let day = try spent(secondsToReset: 1, passing: 4)
        var driver = day.driver
        #expect(driver.call([.beat]).buckets.first?.used == 800)
        let reply = driver.call([.settle(day.granted, day.stamp, costs: [10]), .beat])
        #expect(reply.buckets.first?.used == 10)
    }

    @Test("Who does not fit beside what was booked close to the reset is told the reset after it")
    func waitsForTheNext() throws {
        for (cost, seconds) in [(200, 0), (201, 1 + 2 + 86_400), (1000, 1 + 2 + 86_400)] {
            var driver = try spent(secondsToReset: 1, passing: 0).driver
            let reply = driver.enter([day(driver, 1)], costs: [cost]).reply
            #expect(reply.results == [.waiting(seconds * Self.second, ahead: 0)])
            #expect(reply.grants.count == (seconds == 0 ? 1 : 0))
        }
    }

    @Test("After a reset no more is left booked than was before it")
    func keepsNoMore() throws {
        let day = try spent(secondsToReset: 4, passing: 3)
        var driver = day.driver
        let figures = self.day(driver, 1)
        // Close to the reset, as far as anybody can tell.
        _ = driver.call([.used(figures, [BucketUse(at: driver.now, units: 200)])])
        let before = driver.call([.settle(day.granted, day.stamp, costs: [0]), .beat]).buckets.first?.used
        driver.now += 4 * Self.second
        #expect(before == 200)
        #expect(driver.call([.beat]).buckets.first?.used == 200)
    }
}
