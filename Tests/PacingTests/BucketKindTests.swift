import Pacing
import Testing

/// A quota's window changes its kind in the configuration.
@Suite struct BucketKindTests {
    private static let second = 1_000_000
    /// An hour for a day, so that beats are fewer.
    private static let day = 3600
    private static let hour = day * second / 24

    private func sliding(_ limit: Int, seconds: Int = day) -> BucketFigures {
        QueueDriver.bucket("rpd", limit, perSeconds: seconds)
    }

    private func calendar(_ limit: Int, reset: Micros) -> BucketFigures {
        QueueDriver.bucket("rpd", limit, perSeconds: Self.day, reset: reset)
    }

    @Test("From calendar to sliding: what was used of late counts until a window later, what is older does not")
    func toSliding() async throws {
        var driver = QueueDriver()
        let reset = driver.now + 20 * Self.hour
        #expect(driver.enter([calendar(100, reset: reset)], costs: [60]).reply.grants.count == 1)
        driver.pass(6 * Self.hour)
        #expect(driver.enter([calendar(100, reset: reset)], costs: [30]).reply.grants.count == 1)
        driver.pass(4 * Self.second)
        let after = driver.enter([sliding(100)], costs: [1]).reply
        let bucket = try #require(after.buckets.first)
        #expect(bucket.reset == 0)
        #expect(bucket.used == 91)
        // Beyond the calendar's reset the first day's use counts on.
        driver.pass(17 * Self.hour)
        #expect(driver.enter([sliding(100)], costs: [20], patience: 0).reply.grants.isEmpty)
        // It came back by the end of the sixteenth of a day in which it was used.
        driver.pass(3 * Self.hour)
        #expect(driver.enter([sliding(100)], costs: [69], patience: 0).reply.grants.count == 1)
        #expect(driver.enter([sliding(100)], costs: [1], patience: 0).reply.grants.isEmpty)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("From sliding to calendar: what was used since the day began counts until its reset")
    func toCalendar() async throws {
        var driver = QueueDriver()
        #expect(driver.enter([sliding(100)], costs: [50]).reply.grants.count == 1)
        driver.pass(8 * Self.hour)
        #expect(driver.enter([sliding(100)], costs: [40]).reply.grants.count == 1)
        driver.pass(4 * Self.hour)
        // The day began four hours after the first.
        let reset = driver.now + 16 * Self.hour
        let after = driver.enter([calendar(100, reset: reset)]).reply
        let bucket = try #require(after.buckets.first)
        #expect(bucket.reset == reset)
        #expect(bucket.used == 41)
        #expect(driver.enter([calendar(100, reset: reset)], costs: [60], patience: 0).reply.grants.isEmpty)
        #expect(driver.enter([calendar(100, reset: reset)], costs: [59], patience: 0).reply.grants.count == 1)
        driver.pass(16 * Self.hour + 3 * Self.second)
        #expect(
            driver.enter([calendar(100, reset: reset + Self.day * Self.second)], costs: [100]).reply.grants.count == 1
        )
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("While a replica states the former kind it holds, with its figures; three seconds later the new one does")
    func rollingDeploy() async throws {
        var driver = QueueDriver()
        let reset = driver.now + 10 * Self.hour
        for _ in 0..<10 {
            #expect(driver.enter([calendar(100, reset: reset)], costs: [5]).reply.grants.count == 1)
            // A minute's sixty would long be used up.
            let reply = driver.enter([sliding(10, seconds: 60)], costs: [1]).reply
            #expect(reply.grants.count == 1)
            #expect(reply.buckets.first?.limit == 100)
            driver.pass(Self.second)
        }
        driver.pass(2 * Self.second)
        #expect(driver.enter([sliding(10, seconds: 60)]).reply.buckets.first?.reset == reset)
        driver.pass(Self.second)
        let reply = driver.enter([sliding(10, seconds: 60)], patience: 0).reply
        #expect(reply.buckets.first?.reset == 0)
        #expect(reply.buckets.first?.limit == 10)
        #expect(reply.grants.isEmpty)
        driver.run(until: driver.now + 100 * Self.second)
        #expect(driver.enter([sliding(10, seconds: 60)], patience: 0).reply.grants.count == 1)
        #expect(try await driver.differenceOfScript() == nil)
    }
}
