import Pacing
import TestSupport
import Testing

/// The state machine, operation by operation.
@Suite struct QueueStateTests {
    private static let second = 1_000_000

    @Test("A lone call on an idle bucket is granted in the call that enters it")
    func lone() {
        var driver = QueueDriver()
        let reply = driver.enter([QueueDriver.bucket("rpm", 10, perSeconds: 60)]).reply
        #expect(reply.grants.count == 1)
        #expect(reply.results == [.waiting(0, ahead: 0)])
        #expect(reply.due == nil)
    }

    @Test("No window holds more than the limit, and nearly all of the quota is used", arguments: [(60, 5), (200, 1)])
    func exactAndFull(limit: Int, seconds: Int) {
        let buckets = [QueueDriver.bucket("rpm", limit, perSeconds: seconds, burst: limit / 2)]
        var driver = QueueDriver()
        for _ in 0..<limit * 12 { driver.enter(buckets, client: "c") }
        let start = driver.now
        driver.run(until: start + 10 * seconds * Self.second)
        let times = driver.grants.map(\.at)
        for (index, time) in times.enumerated() where index >= limit {
            #expect(time - times[index - limit] >= seconds * Self.second)
        }
        let later = times.count { $0 > start + seconds * Self.second }
        let use = Double(later) / Double(limit * 9)
        #expect(use >= (seconds >= 5 ? 0.98 : 0.95), "use \(use)")
    }

    @Test(
        "A burst of 1 spaces slots evenly, window after window, whoever calls meanwhile",
        arguments: [(10, 2), (60, 5), (15, 60)]
    )
    func evenly(limit: Int, seconds: Int) {
        let buckets = [QueueDriver.bucket("rpm", limit, perSeconds: seconds, burst: 1)]
        var driver = QueueDriver()
        for _ in 0..<limit * 9 { driver.enter(buckets) }
        let start = driver.now
        var generator = SeededGenerator(seed: 1)
        let interval = seconds * Self.second / limit
        // Newcomers call between the slots too.
        while driver.now < start + 6 * seconds * Self.second {
            driver.run(until: driver.now + generator.int(1...2 * interval))
            driver.enter(buckets, urgency: 7)
        }
        let times = driver.grants.map(\.at)
        let gaps = zip(times, times.dropFirst()).map { Double($1 - $0) / Double(interval) }
        let (least, most) = (gaps.min() ?? 0, gaps.max() ?? 0)
        #expect(least > 2.0 / 3 && most < 1.5, "\(least) to \(most) of an interval")
        let later = times.count { $0 >= start + seconds * Self.second }
        #expect(Double(later) >= (seconds >= 5 ? 0.98 : 0.95) * Double(limit * 5) - 1, "\(later)")
    }

    @Test("A request goes only when both its minute and its day have room")
    func severalWindows() {
        let buckets = [
            QueueDriver.bucket("rpd", 5, perSeconds: 86_400), QueueDriver.bucket("rpm", 3, perSeconds: 1),
        ]
        var driver = QueueDriver()
        for _ in 0..<9 { driver.enter(buckets) }
        let start = driver.now
        driver.run(until: start + 30 * Self.second)
        #expect(driver.grants.count == 5)
        #expect(driver.grants[3].at >= start + Self.second)
    }

    @Test("A bucket that is full does not hold up calls that need another")
    func otherBucket() {
        var driver = QueueDriver()
        let full = [QueueDriver.bucket("rpm/pro", 1, perSeconds: 60)]
        driver.enter(full)
        driver.enter(full)
        let other = driver.enter([QueueDriver.bucket("rpm/flash", 1, perSeconds: 60)])
        #expect(other.reply.grants == [other.ticket])
    }

    @Test("A call that was seen before changes nothing")
    func repeated() {
        var state = QueueState(run: "run")
        let figures = QueueDriver.bucket("rpm", 1, perSeconds: 60)
        let lane = LaneFigures(key: LaneKey(names: ["rpm"], urgency: 3), buckets: [figures])
        func call(_ number: Int, _ ids: [Int]) -> QueueReply {
            let operations = ids.map { id in
                let ticket = QueueTicket(
                    lane: lane.key,
                    client: "c",
                    user: "",
                    place: 1,
                    owner: "r",
                    id: id,
                    weight: 1,
                    allowance: 20_000,
                    costs: [1]
                )
                return QueueOperation.enter(ticket, patience: nil)
            }
            let call = QueueCall(
                replica: "r",
                number: number,
                run: "run",
                seen: 0,
                peers: 0,
                maxWaiting: 10,
                lanes: [lane],
                operations: operations
            )
            return state.call(call, now: 1_000_000_000_000).reply
        }
        let first = call(1, [1, 2])
        let again = call(1, [1, 2])
        #expect(first.grants.count == 1)
        #expect(again.grants.isEmpty)
        #expect(again.results.isEmpty)
        #expect(again.mine == 1)
    }

    @Test("A grant handed back frees its slot, and its call is the next one")
    func handedBack() {
        var driver = QueueDriver()
        let buckets = [QueueDriver.bucket("rpm", 1, perSeconds: 60)]
        let first = driver.enter(buckets, client: "a").ticket
        driver.enter(buckets, client: "b")
        let stamp = GrantStamp(time: driver.now, epoch: driver.call([]).epoch)
        driver.now += 5000
        let reply = driver.call([.back(first, stamp, requeue: true)])
        #expect(reply.grants == [first])
    }

    @Test("What is settled below its estimate makes room")
    func settled() {
        var driver = QueueDriver()
        let buckets = [QueueDriver.bucket("tpm", 1000, perSeconds: 60)]
        let first = driver.enter(buckets, costs: [900])
        let second = driver.enter(buckets, costs: [500])
        #expect(second.reply.grants.isEmpty)
        let stamp = GrantStamp(time: driver.now, epoch: first.reply.epoch)
        driver.now += 1000
        let reply = driver.call([.settle(first.ticket, stamp, costs: [100])])
        #expect(reply.grants == [second.ticket])
        #expect(reply.buckets.first?.used == 600)
    }

    @Test("A calendar window is empty after its reset, but for what was sent close to it")
    func calendar() {
        var driver = QueueDriver()
        let reset = driver.now + 10 * Self.second
        let buckets = [QueueDriver.bucket("rpd", 2, perSeconds: 86_400, reset: reset)]
        driver.enter(buckets)
        driver.pass(reset - Self.second - driver.now)
        driver.enter(buckets)
        driver.enter(buckets)
        driver.enter(buckets)
        #expect(driver.grants.count == 2)
        driver.run(until: reset + Self.second)
        #expect(driver.grants.count == 2)
        driver.run(until: reset + 3 * Self.second)
        // One of the two before the reset was within two seconds of it and counts on both sides.
        #expect(driver.grants.count == 3)
    }

    @Test("A refusal of the upstream holds the bucket; without a time it doubles up to the window")
    func refusals() {
        var driver = QueueDriver()
        let buckets = [QueueDriver.bucket("rpm", 10, perSeconds: 10)]
        var holds: [Micros] = []
        for _ in 0..<6 {
            let entered = driver.enter(buckets)
            let stamp = GrantStamp(time: driver.now, epoch: entered.reply.epoch)
            #expect(entered.reply.grants.count == 1)
            let reply = driver.call([
                .refused(entered.ticket, stamp, buckets: ["rpm"], hold: nil, learned: nil, requeue: false), .beat,
            ])
            let hold = reply.buckets.first?.hold ?? 0
            holds.append(hold - driver.now)
            driver.pass(hold + 1000 - driver.now)
        }
        #expect(holds == [1, 2, 4, 8, 10, 10].map { $0 * Self.second })
    }

    @Test("A learned limit holds for ten windows, then rises by a tenth a window")
    func learned() {
        var driver = QueueDriver()
        let buckets = [QueueDriver.bucket("rpm", 20, perSeconds: 1)]
        let entered = driver.enter(buckets)
        let stamp = GrantStamp(time: driver.now, epoch: entered.reply.epoch)
        func limit() -> Int? { driver.call([.beat]).buckets.first.map { $0.learned ?? $0.limit } }
        _ = driver.call([
            .refused(entered.ticket, stamp, buckets: ["rpm"], hold: 0, learned: 10, requeue: false)
        ])
        let start = driver.now
        func step(to windows: Int) {
            while driver.now < start + windows * Self.second {
                driver.now += 500_000
                _ = driver.call([.beat])
            }
        }
        step(to: 9)
        let held = limit()
        step(to: 11)
        let risen = limit()
        step(to: 20)
        let whole = limit()
        #expect(held == 10)
        #expect(risen == 12 || risen == 14)
        #expect(whole == 20)
    }

    @Test("While replicas disagree the lower limit holds, and three seconds longer")
    func lowerHolds() {
        var driver = QueueDriver()
        func used(_ limit: Int) -> Int? {
            driver.enter([QueueDriver.bucket("rpm", limit, perSeconds: 60)], patience: 0).reply.buckets.first?.limit
        }
        #expect(used(10) == 10)
        #expect(used(5) == 5)
        #expect(used(10) == 5)
        for _ in 0..<4 {
            driver.now += Self.second
            _ = driver.call([.beat])
        }
        #expect(used(10) == 10)
    }

    @Test("A paused quota grants nothing until it is resumed; another goes on")
    func paused() {
        var driver = QueueDriver()
        _ = driver.call([.pause(quota: "rpm", paused: true)])
        let flash = driver.enter([QueueDriver.bucket("rpm/flash", 10, perSeconds: 1)])
        let other = driver.enter([QueueDriver.bucket("rpd", 10, perSeconds: 1)])
        #expect(flash.reply.grants.isEmpty)
        #expect(other.reply.grants.count == 1)
        let reply = driver.call([.pause(quota: "rpm", paused: false)])
        #expect(reply.grants == [flash.ticket])
    }

    @Test("The expected wait of a steady backlog is right within a quarter")
    func estimates() {
        var driver = QueueDriver()
        let buckets = [QueueDriver.bucket("rpm", 60, perSeconds: 5, burst: 30)]
        var told: [Int: (wait: Micros, at: Micros)] = [:]
        func enter(_ client: String) {
            let entered = driver.enter(buckets, client: client, weight: client == "c" ? 3 : 1)
            if case .waiting(let wait, _) = entered.reply.results[0] {
                told[entered.ticket.id] = (wait, driver.now)
            }
        }
        for client in ["a", "b", "c"] { for _ in 0..<30 { enter(client) } }
        let settled = driver.now + 15 * Self.second
        let end = driver.now + 80 * Self.second
        var seen = 0
        var right = 0
        var all = 0
        while driver.now < end {
            let due = driver.call([]).due ?? .max
            while seen < driver.grants.count {
                let grant = driver.grants[seen]
                seen += 1
                if let told = told[grant.ticket.id], told.at > settled {
                    let wait = grant.at - told.at
                    all += 1
                    if abs(told.wait - wait) <= max(wait / 4, 85_000) { right += 1 }
                }
                enter(grant.ticket.client)
            }
            driver.now = max(driver.now + 1000, min(due, driver.now + Self.second))
        }
        #expect(all > 300)
        #expect(right * 10 >= all * 9, "\(right) of \(all)")
    }

    @Test("Who waits behind a more urgent crowd that only drains is told when that is over")
    func drainingCrowd() throws {
        var driver = QueueDriver()
        let buckets = [QueueDriver.bucket("rpm", 60, perSeconds: 3, burst: 30)]
        for _ in 0..<140 { driver.enter(buckets, client: "urgent", urgency: 1) }
        for _ in 0..<50 { driver.enter(buckets, client: "patient", urgency: 5) }
        driver.run(until: driver.now + 2 * Self.second)
        let waiting = driver.call([.beat]).waiting
        let last = driver.enter(buckets, client: "patient", urgency: 5)
        guard case .waiting(let wait, _) = try #require(last.reply.results.first) else {
            Issue.record("refused: \(last.reply.results)")
            return
        }
        // All that wait, at 20 a second; a twentieth of the slots for the 50 would take 50 s.
        let drained = waiting * Self.second / 20
        #expect(abs(wait - drained) <= drained / 4, "\(wait) of \(drained)")
    }

    @Test("A call that waits is told its own place, whoever came behind it")
    func ownPlace() {
        var driver = QueueDriver()
        let buckets = [QueueDriver.bucket("rpm", 10, perSeconds: 5)]
        let tickets = (0..<30).map { _ in driver.enter(buckets).ticket }
        let waiting = Array(tickets.dropFirst(10))
        var waits: [Micros] = []
        for (place, ticket) in waiting.enumerated() {
            guard case .waiting(let wait, let ahead) = driver.call([.estimate(ticket)]).results[0] else {
                Issue.record("it does not wait")
                return
            }
            #expect(ahead == place)
            waits.append(wait)
        }
        #expect(waits == waits.sorted())
        // A slot is half a second: the first ten come back with the window.
        #expect((4_900_000...5_200_000).contains(waits[0]))
        #expect((9_800_000...10_400_000).contains(waits[10]))
        driver.run(until: driver.now + 6 * Self.second)
        let (last, next) = (waiting[driver.grants.count - 11], waiting[driver.grants.count - 10])
        let stamp = GrantStamp(time: driver.now, epoch: driver.call([.beat]).epoch)
        let hold = 10 * Self.second
        _ = driver.call([.refused(last, stamp, buckets: ["rpm"], hold: hold, learned: nil, requeue: true)])
        let places = driver.call([.estimate(last), .estimate(next)]).results.map { result in
            if case .waiting(let wait, let ahead) = result { wait >= hold - Self.second ? ahead : -1 } else { -1 }
        }
        #expect(places == [0, 1])
    }

    @Test("While a clock that went back an hour is made up for, a caller is told what it would have been told before")
    func afterJump() throws {
        var driver = QueueDriver()
        let figures = QueueDriver.bucket("rpm", 3, perSeconds: 60)
        for _ in 0..<3 { driver.enter([figures]) }
        driver.pass(30 * Self.second)
        driver.now -= 3600 * Self.second
        let late = driver.enter([figures], patience: 40 * Self.second)
        #expect(late.reply.rollCall != nil)
        guard case .waiting(let wait, _) = try #require(late.reply.results.first) else {
            Issue.record("refused: \(late.reply.results)")
            return
        }
        #expect((29 * Self.second...31 * Self.second).contains(wait), "the slots come back in half a minute: \(wait)")
    }

    @Test("A day's bucket that is new long after a loss starts empty; a minute's still counts as full")
    func longBucketsStartEmpty() {
        var driver = QueueDriver()
        let minute = QueueDriver.bucket("rpm", 3, perSeconds: 60)
        driver.enter([minute])
        driver.lose()
        driver.pass(4 * Self.second)
        let before = driver.grants.count
        driver.enter([QueueDriver.bucket("rpd", 3, perSeconds: 86_400)])
        #expect(driver.grants.count == before + 1)
        driver.enter([QueueDriver.bucket("other", 3, perSeconds: 60)])
        #expect(driver.grants.count == before + 1)
    }
}
