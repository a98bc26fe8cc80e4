import Pacing
import Testing

/// What a store that lost its buckets makes of the replicas' answers to its roll call.
@Suite struct RebuiltBucketTests {
    private static let second = 1_000_000

    @Test("After a jump of the store's clock the buckets are rebuilt from what the replicas sent")
    func rebuilt() {
        var driver = QueueDriver()
        let figures = QueueDriver.bucket("rpm", 3, perSeconds: 60)
        for _ in 0..<3 { driver.enter([figures]) }
        #expect(driver.grants.count == 3)
        let epoch = driver.call([.beat]).epoch
        driver.now += 3600 * Self.second
        var reply = driver.call([.jump(epoch: epoch)])
        #expect(reply.rollCall != nil)
        #expect(reply.epoch != epoch)
        reply = driver.call([
            .report(
                [BucketReport(figures: figures, told: 3, since: 0, sent: [BucketUse(at: driver.now, units: 2)])],
                peers: ["replica"],
                full: 0
            )
        ])
        driver.now += 600_000
        _ = driver.call([.beat])
        driver.now += 25_000
        reply = driver.call([.beat])
        #expect(reply.rollCall == nil)
        #expect(reply.buckets.first?.used == 2)
    }

    @Test(
        "A long window that was lost is rebuilt: what the replicas sent, and what others had who are gone",
        arguments: [false, true]
    )
    func rebuiltLong(isCalendar: Bool) {
        var driver = QueueDriver()
        let hour = 3600 * Self.second
        let figures = QueueDriver.bucket("rph", 50, perSeconds: 3600, reset: isCalendar ? driver.now + hour / 2 : 0)
        driver.lose()
        driver.enter([figures])
        let sent = [BucketUse(at: driver.now - hour / 4, units: 12), BucketUse(at: driver.now, units: 5)]
        // 30 were told, 10 of these sent by replicas that are gone since; 2 came after that.
        let peers = ["replica", "x"]
        _ = driver.call([
            .report([BucketReport(figures: figures, told: 30, since: 2, sent: sent)], peers: peers, full: 0)
        ])
        let other = [BucketUse(at: driver.now - hour / 8, units: 5)]
        let report = BucketReport(figures: figures, told: 29, since: 0, sent: other)
        _ = driver.call([.report([report], peers: peers, full: 0)], of: "x")
        driver.run(until: driver.now + 2 * Self.second)
        #expect(driver.call([.beat]).buckets.first?.used == 33)
        guard !isCalendar else { return }
        // What was sent leaves when its time is over; what the others had used a window after the loss.
        driver.pass(hour - hour / 16)
        #expect(driver.call([.beat]).buckets.first?.used == 32 - 12 - 5 + 1)
    }

    @Test("What an upstream's 429s had taught holds on in a store that lost it")
    func learnedBefore() {
        var driver = QueueDriver()
        let figures = QueueDriver.bucket("rpm", 20, perSeconds: 5)
        driver.lose()
        driver.enter([figures])
        for (replica, learned) in [("replica", 10), ("x", 12)] {
            let report = BucketReport(figures: figures, told: 0, since: 0, learned: learned, sent: [])
            _ = driver.call([.report([report], peers: ["replica", "x"], full: 0)], of: replica)
        }
        driver.run(until: driver.now + 2 * Self.second)
        #expect(driver.call([.beat]).buckets.first?.learned == 10)
        driver.pass(45 * Self.second)
        #expect(driver.call([.beat]).buckets.first?.learned == 10)
        driver.pass(10 * Self.second)
        #expect(driver.call([.beat]).buckets.first?.learned ?? 20 > 10)
    }
}
